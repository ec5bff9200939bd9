/* helper/archive/selection.c - paths are searched one after the other, each in one pass over the
 * tree; what they find is sorted, and once is enough.
 */
#include "helper/archive/selection.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/glob.h"
#include "helper/archive/path.h"
#include "helper/archive/untracked.h"

struct exclude {
    char *pattern; /* expanded, as it is shown */
    struct glob *glob;
    uint64_t excluded;
};

struct selecting {
    const struct selection_request *request;
    const struct report *report;
    struct selection *selection;
    size_t room;
    struct exclude *excludes;
    size_t n_excludes;
    uint64_t found; /* by the path that is searched now */
    struct error *err;
};

static int append(struct selecting *s, const char *path)
{
    const size_t most = s->request->files_max ? s->request->files_max : SELECTION_FILES_MAX;
    struct selection *selection = s->selection;

    if (selection->n_paths >= most)
        return error_set(s->err, -EFBIG, "more than %zu files and directories match", most);
    if (selection->n_paths == s->room) {
        size_t room = MAX(s->room * 2, 256);
        char **grown = mem_resize(selection->paths, room, sizeof(*grown));

        if (!grown)
            return error_errno(s->err, -ENOMEM, "list of files");
        selection->paths = grown;
        s->room = room;
    }
    selection->paths[selection->n_paths] = mem_strdup(path);
    if (!selection->paths[selection->n_paths])
        return error_errno(s->err, -ENOMEM, "list of files");
    selection->n_paths++;
    return 0;
}

/* `times`: how often the peer would have come by. */
static int take(struct selecting *s, const char *path, uint32_t times)
{
    for (size_t i = 0; i < s->n_excludes; i++)
        if (glob_match(s->excludes[i].glob, path)) {
            s->excludes[i].excluded += times;
            return 0;
        }
    s->found += times;
    return str_eq(path, ".") ? 0 : append(s, path);
}

static int on_found(void *ctx, const struct glob_found *found)
{
    return take(ctx, found->path, found->times);
}

/* The text itself where it cannot be expanded. The caller frees; NULL without memory. */
static char *expanded(const struct selecting *s, const char *text)
{
    struct error err = { 0 };
    char *value = NULL;

    if (expand_text(text, s->request->variables, &value, &err) == 0)
        return value;
    report_say(s->report, REPORT_WARNING, "invalid path \"%s\": %s", text, err.message);
    return mem_strdup(text);
}

/* The pattern relative to the working directory, in `text` itself; NULL when it leads out of it. */
static char *relative_pattern(const struct selecting *s, char *text)
{
    const char *root = s->request->root;
    size_t len = strlen(root);

    if (*text == '/') {
        while (len > 0 && root[len - 1] == '/')
            len--;
        if (strncmp(text, root, len) != 0 || (text[len] != '/' && text[len] != '\0'))
            return NULL;
        text += len;
    }
    return path_make_clean(text, PATH_UP_RESOLVED) ? text : NULL;
}

/* The pattern that `text` is, relative; NULL with a warning when it is none. -ENOMEM. */
static int read_pattern(const struct selecting *s, const char *text, struct glob **ret)
{
    autofree char *copy = mem_strdup(text);
    struct error err = { 0 };
    const char *pattern = copy ? relative_pattern(s, copy) : NULL;
    int r;

    if (!copy)
        return error_errno(s->err, -ENOMEM, "list of files");
    if (!pattern) {
        report_say(s->report, REPORT_WARNING,
                   "processPath: artifact path is not a subpath of project directory: %s", text);
        return 0;
    }
    r = glob_new(*pattern ? pattern : ".", ret, &err);
    if (r == -ENOMEM)
        return error_errno(s->err, r, "list of files");
    if (r < 0)
        report_say(s->report, REPORT_WARNING, "%s: %s", text, err.message);
    return 0;
}

static int search_path(struct selecting *s, const char *text)
{
    const struct glob_visitor visitor = { on_found, s };
    autofree char *path = expanded(s, text);
    auto_ptr(glob_free) struct glob *glob = NULL;
    int r;

    if (!path)
        return error_errno(s->err, -ENOMEM, "list of files");
    if (!*path) {
        report_say(s->report, REPORT_WARNING, "No matching files. Path is empty.");
        return 0;
    }
    r = read_pattern(s, path, &glob);
    if (r < 0 || !glob)
        return r;

    s->found = 0;
    r = glob_find(glob, s->request->root_fd, &visitor, s->err);
    if (r < 0)
        return r;
    if (s->found > 0)
        report_say(s->report, REPORT_INFO, "%s: found %llu matching artifact files and directories",
                   path, (unsigned long long) s->found);
    else
        report_say(s->report, REPORT_WARNING,
                   "%s: no matching files. Ensure that the artifact path is relative to the "
                   "working directory (%s)",
                   path, s->request->root);
    return 0;
}

static int on_untracked(void *ctx, const char *path)
{
    return take(ctx, path, 1);
}

static int search_untracked(struct selecting *s)
{
    struct error err = { 0 };
    int r;

    s->found = 0;
    r = untracked_find(s->request->root, s->request->root_fd, on_untracked, s, &err);
    if (r == -ENOMEM || r == -EFBIG)
        return error_set(s->err, r, "%s", err.message);
    if (r < 0)
        report_say(s->report, REPORT_WARNING, "untracked: %s", err.message);
    else if (s->found > 0)
        report_say(s->report, REPORT_INFO, "untracked: found %llu files",
                   (unsigned long long) s->found);
    else
        report_say(s->report, REPORT_WARNING, "untracked: no files");
    return 0;
}

static int read_excludes(struct selecting *s)
{
    s->excludes = mem_array(MAX(s->request->n_excludes, 1), sizeof(*s->excludes));
    if (!s->excludes)
        return error_errno(s->err, -ENOMEM, "list of files");
    for (size_t i = 0; i < s->request->n_excludes; i++) {
        struct exclude *exclude = &s->excludes[s->n_excludes];
        int r;

        exclude->pattern = expanded(s, s->request->excludes[i]);
        if (!exclude->pattern)
            return error_errno(s->err, -ENOMEM, "list of files");
        r = read_pattern(s, exclude->pattern, &exclude->glob);
        if (r < 0)
            return r;
        if (exclude->glob)
            s->n_excludes++;
        else
            free(take_ptr(exclude->pattern));
    }
    return 0;
}

static void tell_excluded(struct selecting *s)
{
    for (size_t i = 0; i < s->n_excludes; i++)
        if (s->excludes[i].excluded > 0)
            report_say(s->report, REPORT_INFO, "%s: excluded %llu files", s->excludes[i].pattern,
                       (unsigned long long) s->excludes[i].excluded);
}

static void forget_excludes(struct selecting *s)
{
    for (size_t i = 0; s->excludes && i < s->request->n_excludes; i++) {
        free(s->excludes[i].pattern);
        glob_free(s->excludes[i].glob);
    }
    free(s->excludes);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void sort_once(struct selection *selection)
{
    size_t kept = 0;

    if (selection->n_paths > 1)
        qsort(selection->paths, selection->n_paths, sizeof(*selection->paths), by_bytes);
    for (size_t i = 0; i < selection->n_paths; i++) {
        if (kept > 0 && str_eq(selection->paths[kept - 1], selection->paths[i]))
            free(selection->paths[i]);
        else
            selection->paths[kept++] = selection->paths[i];
    }
    selection->n_paths = kept;
}

static int search_all(struct selecting *s)
{
    int r = read_excludes(s);

    for (size_t i = 0; r == 0 && i < s->request->n_paths; i++)
        r = search_path(s, s->request->paths[i]);
    if (r == 0 && s->request->untracked)
        r = search_untracked(s);
    if (r == 0)
        tell_excluded(s);
    return r;
}

int selection_make(const struct selection_request *request, const struct report *report,
                   struct selection **ret, struct error *err)
{
    auto_ptr(selection_free) struct selection *selection = mem_zero(sizeof(*selection));
    struct selecting s = { request, report, selection, .err = err };
    int r;

    if (!selection)
        return error_errno(err, -ENOMEM, "list of files");
    r = search_all(&s);
    forget_excludes(&s);
    if (r < 0)
        return r;
    sort_once(selection);
    *ret = take_ptr(selection);
    return 0;
}

void selection_free(struct selection *selection)
{
    if (!selection)
        return;
    for (size_t i = 0; i < selection->n_paths; i++)
        free(selection->paths[i]);
    free(selection->paths);
    free(selection);
}

int selection_add(struct selection *selection, const char *path)
{
    char **grown = mem_resize(selection->paths, selection->n_paths + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    selection->paths = grown;
    grown[selection->n_paths] = mem_strdup(path);
    if (!grown[selection->n_paths])
        return -ENOMEM;
    selection->n_paths++;
    sort_once(selection);
    return 0;
}

int64_t selection_newest_ns(const struct selection *selection, int root_fd)
{
    autobeneath struct beneath tree = BENEATH_INIT(root_fd, BENEATH_INSIDE_LINKS);
    int64_t newest = INT64_MIN;

    for (size_t i = 0; i < selection->n_paths; i++) {
        const char *name;
        int fd = beneath_parent(&tree, selection->paths[i], &name);
        struct stat st;

        if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        newest = MAX(newest, (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    }
    return newest;
}
