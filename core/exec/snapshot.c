/* core/exec/snapshot.c - `git add -u` into an index of our own, and a commit of it.
 *
 * The user's index is copied first: it knows which files are tracked, those just added included,
 * and which are unchanged, so that only changed ones are read. */
#include "core/exec/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/git.h"

#define INDEX_MAX ((size_t) 512 << 20)

struct taking {
    const char *bare;
    char *index_path;
    char *variables[8]; /* for git runs that write: our index, our objects, our name */
    struct snapshot *snapshot;
    bool shallow;
};

void snapshot_done(struct snapshot *snapshot)
{
    free(snapshot->url);
    free(snapshot->top);
    free(snapshot->sha);
    free(snapshot->head);
    free(snapshot->ref);
    free(snapshot->default_branch);
    free(snapshot->message);
    free(snapshot->author);
    free(snapshot->timestamp);
    free(snapshot->tag);
    free(snapshot->user_name);
    free(snapshot->user_email);
    free(snapshot->bare);
    free(snapshot->object_format);
    *snapshot = (struct snapshot) { 0 };
}

static int git_in(const char *dir, char *const *variables, char **ret, struct error *err,
                  const char *const *args)
{
    autobuf struct buf out = BUF_INIT;
    struct git_run run = { .dir = dir, .variables = (const char *const *) variables, .args = args };
    int r = git_run(&run, &out, err);

    if (r < 0 || !ret)
        return r;
    free(*ret);
    *ret = buf_take(&out);
    return *ret ? 0 : error_set(err, -ENOMEM, "git: out of memory");
}
#define GIT(dir, variables, ret, err, ...)                                                         \
    git_in((dir), (variables), (ret), (err), (const char *const[]) { __VA_ARGS__, NULL })

int snapshot_find_top(const char *dir, char **ret, struct error *err)
{
    return GIT(dir, NULL, ret, err, "rev-parse", "--show-toplevel");
}

static void drop_unless_utf8(char **text)
{
    if (*text && !utf8_valid(*text, strlen(*text)))
        free(take_ptr(*text));
}

static void show(const struct snapshot *snapshot, const char *format, char **ret)
{
    (void) GIT(snapshot->top, NULL, ret, NULL, "show", "--no-patch", format, "--encoding=UTF-8",
               snapshot->head);
    drop_unless_utf8(ret);
}

/* What jobs are told of the commit besides its name; what is not there they are not told. */
static int describe(struct snapshot *ret, struct error *err)
{
    static const char remote[] = "origin/";
    autofree char *name = NULL;
    const char *branch = ret->detached ? NULL : ret->ref;

    (void) GIT(ret->top, NULL, &name, NULL, "symbolic-ref", "--quiet", "--short",
               "refs/remotes/origin/HEAD");
    if (name && str_starts(name, remote))
        branch = name + strlen(remote);
    if (branch && !(ret->default_branch = mem_strdup(branch)))
        return error_set(err, -ENOMEM, "snapshot: out of memory");
    show(ret, "--format=%B", &ret->message);
    show(ret, "--format=%an <%ae>", &ret->author);
    show(ret, "--format=%cI", &ret->timestamp);
    (void) GIT(ret->top, NULL, &ret->user_name, NULL, "config", "user.name");
    (void) GIT(ret->top, NULL, &ret->user_email, NULL, "config", "user.email");
    drop_unless_utf8(&ret->user_name);
    drop_unless_utf8(&ret->user_email);
    return 0;
}

static int find_repository(const char *dir, struct snapshot *ret, struct error *err)
{
    int r = snapshot_find_top(dir, &ret->top, err);

    if (r == -EREMOTEIO && err && strstr(err->message, "not a git repository"))
        return error_set(err, -ENOENT,
                         "%s is not in a git repository; jobs run on what git tracks, so make one "
                         "(git init, git add, git commit)",
                         dir);
    if (r < 0)
        return error_wrap(err, r, "%s", dir);
    r = GIT(ret->top, NULL, &ret->head, NULL, "rev-parse", "--verify", "--quiet", "HEAD^{commit}");
    if (r == -EREMOTEIO)
        return error_set(err, -ENOENT,
                         "the repository %s has no commit yet; make one (git add, git commit)",
                         ret->top);
    if (r < 0)
        return error_set(err, r, "%s: its HEAD can't be read", ret->top);
    r = GIT(ret->top, NULL, &ret->ref, NULL, "symbolic-ref", "--quiet", "--short", "HEAD");
    ret->detached = r < 0;
    if (ret->detached)
        (void) GIT(ret->top, NULL, &ret->tag, NULL, "describe", "--tags", "--exact-match", "HEAD");
    if (ret->detached && !(ret->ref = mem_strdup(ret->tag ? ret->tag : "detached")))
        return error_set(err, -ENOMEM, "snapshot: out of memory");
    r = describe(ret, err);
    return r < 0
               ? r
               : GIT(ret->top, NULL, &ret->object_format, err, "rev-parse", "--show-object-format");
}

static int write_file(const char *path, const struct buf *data, struct error *err)
{
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : fs_write_all(fd, data->data, data->len);

    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

/* An empty bare repository that finds the user's objects. */
static int make_bare(struct taking *taking, struct error *err)
{
    const struct snapshot *snapshot = taking->snapshot;
    autofree char *objects = NULL, *format = NULL, *path = NULL, *info = NULL;
    autobuf struct buf line = BUF_INIT;
    int r;

    format = mem_printf("--object-format=%s", snapshot->object_format);
    path = mem_printf("%s/objects/info/alternates", taking->bare);
    info = mem_printf("%s/objects/info", taking->bare);
    if (!format || !path || !info)
        return error_set(err, -ENOMEM, "snapshot: out of memory");
    r = GIT(snapshot->top, NULL, NULL, err, "init", "--quiet", "--bare", "--template=", format,
            taking->bare);
    if (r < 0)
        return r;
    r = GIT(snapshot->top, NULL, &objects, err, "rev-parse", "--path-format=absolute", "--git-path",
            "objects");
    if (r < 0)
        return r;
    buf_addf(&line, "%s\n", objects);
    r = fs_mkdirs(info, 0700, err);
    return r < 0 ? r : write_file(path, &line, err);
}

static int copy_index(const struct taking *taking, struct error *err)
{
    const char *top = taking->snapshot->top;
    autofree char *path = NULL;
    autobuf struct buf index = BUF_INIT;
    int r =
        GIT(top, NULL, &path, err, "rev-parse", "--path-format=absolute", "--git-path", "index");

    if (r < 0)
        return r;
    index.max = INDEX_MAX;
    r = fs_read_file(AT_FDCWD, path, INDEX_MAX, &index, err);
    if (r == -ENOENT) /* cloned without a checkout */
        return GIT(top, taking->variables, NULL, err, "read-tree", "HEAD");
    return r < 0 ? r : write_file(taking->index_path, &index, err);
}

static int set_variables(struct taking *taking, struct error *err)
{
    static const char *const people[] = { "GIT_AUTHOR_NAME=flotilla exec",
                                          "GIT_AUTHOR_EMAIL=exec@localhost",
                                          "GIT_COMMITTER_NAME=flotilla exec",
                                          "GIT_COMMITTER_EMAIL=exec@localhost" };
    bool good;

    taking->index_path = mem_printf("%s/snapshot-index", taking->bare);
    taking->variables[0] = mem_printf("GIT_INDEX_FILE=%s/snapshot-index", taking->bare);
    taking->variables[1] = mem_printf("GIT_OBJECT_DIRECTORY=%s/objects", taking->bare);
    good = taking->index_path && taking->variables[0] && taking->variables[1];
    for (size_t i = 0; i < ARRAY_LEN(people); i++) {
        taking->variables[2 + i] = mem_strdup(people[i]);
        good = good && taking->variables[2 + i];
    }
    return good ? 0 : error_set(err, -ENOMEM, "snapshot: out of memory");
}

/* HEAD itself when nothing has changed, else a commit on top of it. */
static int commit(struct taking *taking, struct error *err)
{
    struct snapshot *snapshot = taking->snapshot;
    autofree char *tree = NULL, *head_tree = NULL;
    const char *top = snapshot->top;
    int r = GIT(top, taking->variables, NULL, err, "add", "--update", "--", ":/");

    if (r == 0)
        r = GIT(top, taking->variables, &tree, err, "write-tree");
    if (r == 0)
        r = GIT(top, NULL, &head_tree, err, "rev-parse", "HEAD^{tree}");
    if (r < 0)
        return r;
    snapshot->changed = !str_eq(tree, head_tree);
    if (taking->shallow)
        return GIT(top, taking->variables, &snapshot->sha, err, "commit-tree", "-m",
                   "The work tree, without its history", tree);
    if (snapshot->changed)
        return GIT(top, taking->variables, &snapshot->sha, err, "commit-tree", "-m",
                   "Uncommitted changes", "-p", snapshot->head, tree);
    snapshot->sha = mem_strdup(snapshot->head);
    return snapshot->sha ? 0 : error_set(err, -ENOMEM, "snapshot: out of memory");
}

static int publish(const struct taking *taking, struct error *err)
{
    const struct snapshot *snapshot = taking->snapshot;
    autofree char *ref = mem_printf("refs/heads/%s", snapshot->ref);
    autofree char *git_dir = mem_printf("GIT_DIR=%s", taking->bare);
    char *const variables[] = { git_dir, NULL };
    int r;

    if (!ref || !git_dir)
        return error_set(err, -ENOMEM, "snapshot: out of memory");
    r = GIT(taking->bare, variables, NULL, err, "update-ref", ref, snapshot->sha);
    return r < 0 ? r : GIT(taking->bare, variables, NULL, err, "symbolic-ref", "HEAD", ref);
}

/* git decodes %XX in file:// URLs. */
static char *file_url(const char *path)
{
    autobuf struct buf url = BUF_INIT;

    buf_add_str(&url, "file://");
    for (const char *c = path; *c; c++) {
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
            strchr("/-._~", *c))
            buf_add_char(&url, *c);
        else
            buf_addf(&url, "%%%02X", (unsigned) (unsigned char) *c);
    }
    return buf_take(&url);
}

static int take(struct taking *taking, const char *dir, struct error *err)
{
    struct snapshot *snapshot = taking->snapshot;
    autofree char *shallow = NULL;
    int r = find_repository(dir, snapshot, err);

    if (r == 0)
        r = GIT(snapshot->top, NULL, &shallow, err, "rev-parse", "--is-shallow-repository");
    taking->shallow = str_eq(shallow, "true");
    if (r == 0)
        r = set_variables(taking, err);
    if (r == 0)
        r = make_bare(taking, err);
    if (r == 0)
        r = copy_index(taking, err);
    if (r == 0)
        r = commit(taking, err);
    if (r == 0)
        r = publish(taking, err);
    if (r == 0 && !(snapshot->bare = mem_strdup(taking->bare)))
        r = error_set(err, -ENOMEM, "snapshot: out of memory");
    if (r < 0)
        return r;
    snapshot->url = file_url(taking->bare);
    return snapshot->url ? 0 : error_set(err, -ENOMEM, "snapshot: out of memory");
}

int snapshot_take(const char *dir, const char *bare, struct snapshot *ret, struct error *err)
{
    struct taking taking = { .bare = bare, .snapshot = ret };
    struct error why = { 0 };
    int r;

    *ret = (struct snapshot) { 0 };
    r = take(&taking, dir, &why);
    free(taking.index_path);
    for (size_t i = 0; i < ARRAY_LEN(taking.variables); i++)
        free(taking.variables[i]);
    if (r < 0) {
        snapshot_done(ret);
        return error_set(err, r, "%s", why.message);
    }
    return 0;
}

int snapshot_make_files(const struct snapshot *snapshot, struct error *err)
{
    /* Without -l, what is borrowed is packed as well. */
    int r = GIT(snapshot->bare, NULL, NULL, err, "repack", "-a", "-d", "-q");

    return r < 0 ? r : GIT(snapshot->bare, NULL, NULL, err, "update-server-info");
}
