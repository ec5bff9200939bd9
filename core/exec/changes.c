/* core/exec/changes.c - two questions to git about the snapshot's repository, which finds the objects
 * of the user's. Names of commits are looked up in the user's, where the branches are. */
#include "core/exec/changes.h"

#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/git.h"

#define LIST_MAX ((size_t) 64 << 20)

static int git(const char *dir, struct buf *out, struct error *err, const char *const *args)
{
    const struct git_run run = { .dir = dir, .args = args, .max = LIST_MAX };

    return git_run(&run, out, err);
}
#define GIT(dir, out, err, ...)                                                                    \
    git((dir), (out), (err), (const char *const[]) { __VA_ARGS__, NULL })

/* Paths, each with a byte 0 behind it. */
static int split(const struct buf *paths, struct ci_lines *ret, struct error *err)
{
    const char *at = buf_str(paths), *end = at + paths->len;

    for (; at < end; at += strlen(at) + 1)
        if (ci_lines_add(ret, at) < 0)
            return error_set(err, -ENOMEM, "out of memory");
    return 0;
}

int changes_files(const struct snapshot *snapshot, struct ci_lines *ret, struct error *err)
{
    autobuf struct buf paths = BUF_INIT;
    int r = GIT(snapshot->bare, &paths, err, "ls-tree", "-r", "-z", "--name-only", "--full-tree",
                snapshot->sha);

    return r < 0 ? r : split(&paths, ret, err);
}

/* Each line of git is "MODE KIND ID\tPATH". */
int changes_ids(const struct snapshot *snapshot, struct ci_lines *ret)
{
    autobuf struct buf entries = BUF_INIT;
    struct ci_lines lines = { 0 };
    int r =
        GIT(snapshot->bare, &entries, NULL, "ls-tree", "-r", "-z", "--full-tree", snapshot->sha);

    if (r == 0)
        r = split(&entries, &lines, NULL);
    for (size_t i = 0; r == 0 && i < lines.count; i++) {
        char *tab = strchr(lines.items[i], '\t'), *id;

        if (tab)
            *tab = '\0';
        id = strrchr(lines.items[i], ' ');
        r = ci_lines_add(ret, id ? id + 1 : "");
    }
    ci_lines_done(&lines);
    return r;
}

void changes_last_commit(const struct snapshot *snapshot, const char *path, struct buf *ret)
{
    autofree char *literal = mem_printf(":(top,literal)%s", path);

    if (literal)
        (void) GIT(snapshot->bare, ret, NULL, "log", "-1", "--format=%H", snapshot->sha, "--",
                   literal);
}

/* 0, or negative when there is no such commit. */
static int find_commit(const struct snapshot *snapshot, const char *name, struct buf *ret,
                       struct error *err)
{
    autofree char *commit = mem_printf("%s^{commit}", name);

    if (!commit)
        return error_set(err, -ENOMEM, "out of memory");
    return GIT(snapshot->top, ret, err, "rev-parse", "--verify", "--quiet", "--end-of-options",
               commit);
}

static int find_named(const struct snapshot *snapshot, const char *name, struct buf *ret,
                      struct error *err)
{
    autofree char *remote = mem_printf("origin/%s", name);

    if (!remote)
        return error_set(err, -ENOMEM, "out of memory");
    if (find_commit(snapshot, name, ret, NULL) == 0 ||
        find_commit(snapshot, remote, ret, NULL) == 0)
        return 0;
    return error_set(err, -ENOENT,
                     "there is no branch, tag or commit '%s' in this repository to compare with; "
                     "fetch it",
                     name);
}

static int find_last_push(const struct snapshot *snapshot, struct buf *ret)
{
    if (find_commit(snapshot, "@{upstream}", ret, NULL) < 0)
        return -ENOENT;
    if (!str_eq(buf_str(ret), snapshot->sha))
        return 0;
    buf_clear(ret);
    return find_commit(snapshot, "HEAD^", ret, NULL);
}

int changes_since(const struct snapshot *snapshot, const char *since, struct ci_lines *ret,
                  struct error *err)
{
    autobuf struct buf named = BUF_INIT, parted = BUF_INIT, paths = BUF_INIT;
    const char *base;
    int r;

    if (!since && find_last_push(snapshot, &named) < 0)
        return 1;
    r = since ? find_named(snapshot, since, &named, err) : 0;
    if (r < 0)
        return r;
    /* The history of a shallow clone may not go back to where they parted. */
    base = GIT(snapshot->bare, &parted, NULL, "merge-base", buf_str(&named), snapshot->sha) == 0
               ? buf_str(&parted)
               : buf_str(&named);
    r = GIT(snapshot->bare, &paths, err, "diff", "--name-only", "--no-renames", "-z", base,
            snapshot->sha, "--");
    return r < 0 ? r : split(&paths, ret, err);
}
