/* core/plugin/find.c - names to files, by architecture.md §7. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"

#define PREFIX "fleeting-plugin-"

static const struct {
    const char *alias, *name;
} aliases[] = {
    { "aws", "fleeting-plugin-aws" },
    { "googlecompute", "fleeting-plugin-googlecompute" },
    { "googlecloud", "fleeting-plugin-googlecompute" },
    { "gcp", "fleeting-plugin-googlecompute" },
    { "fleeting-plugin-googlecloud", "fleeting-plugin-googlecompute" },
};

/* "registry/path/name:1.2" → "name"; says what was left out. */
static char *plain_name(const char *reference, struct buf *notice)
{
    const char *slash = strrchr(reference, '/');
    const char *start = slash ? slash + 1 : reference;
    size_t len = strcspn(start, ":@");
    char *name = mem_strndup(start, len);

    if (name && (slash || start[len]) && notice)
        buf_addf(notice,
                 "plugin '%s': only the name '%s' counts; registry and version are ignored, the "
                 "installed file is used",
                 reference, name);
    for (size_t i = 0; name && i < ARRAY_LEN(aliases); i++)
        if (str_eq(name, aliases[i].alias)) {
            free(name);
            return mem_strdup(aliases[i].name);
        }
    return name;
}

/* Calls back with each directory of the plugin path until it returns non-zero. */
static int each_dir(const char *dirs, int (*on_dir)(void *arg, const char *dir, bool from_path),
                    void *arg)
{
    const char *lists[] = { dirs, getenv("FLOTILLA_PLUGIN_PATH"), FLOTILLA_PLUGIN_DIR,
                            getenv("PATH") };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const char *rest = lists[i];

        while (rest && *rest) {
            size_t len = strcspn(rest, ":");
            autofree char *dir = len > 0 ? mem_strndup(rest, len) : NULL;
            int r = dir ? on_dir(arg, dir, i == ARRAY_LEN(lists) - 1) : 0;

            if (r != 0)
                return r;
            rest += len + (rest[len] == ':');
        }
    }
    return 0;
}

struct search {
    const char *name;
    char *file;
};

static int try_dir(void *arg, const char *dir, bool from_path)
{
    struct search *search = arg;
    size_t names = str_starts(search->name, PREFIX) ? 1 : 2;

    (void) from_path;
    for (size_t i = 0; i < names; i++) {
        char *file = i == 0 ? mem_printf("%s/%s.so", dir, search->name)
                            : mem_printf("%s/" PREFIX "%s.so", dir, search->name);

        if (file && access(file, F_OK) == 0) {
            search->file = file;
            return 1;
        }
        free(file);
    }
    return 0;
}

int plugin_find(const char *name, const char *dirs, char **ret_file, struct buf *notice,
                struct error *err)
{
    autofree char *plain = NULL;
    bool prefixed;
    struct search search = { 0 };

    if (str_empty(name))
        return error_set(err, -EINVAL, "no plugin is named");
    if (*name == '/') {
        if (access(name, F_OK) < 0)
            return error_errno(err, -errno, "plugin %s", name);
        *ret_file = mem_strdup(name);
        return *ret_file ? 0 : error_set(err, -ENOMEM, "plugin %s: out of memory", name);
    }
    if (str_ends(name, ".so"))
        return error_set(err, -ENOENT,
                         "plugin '%s': a file is named by its absolute path, an installed plugin "
                         "without the .so",
                         name);
    plain = plain_name(name, notice);
    if (!plain)
        return error_set(err, -ENOMEM, "plugin '%s': out of memory", name);
    if (!*plain || str_starts(plain, "."))
        return error_set(err, -EINVAL, "plugin '%s': is no name of a plugin", name);
    prefixed = str_starts(plain, PREFIX);
    search.name = plain;
    (void) each_dir(dirs, try_dir, &search);
    if (!search.file)
        return error_set(err, -ENOENT,
                         "plugin '%s' is not installed: %s%s.so%s%s%s is in "
                         "%s, FLOTILLA_PLUGIN_PATH, %s or PATH",
                         name, prefixed ? "no " : "neither ", plain, prefixed ? "" : " nor " PREFIX,
                         prefixed ? "" : plain, prefixed ? "" : ".so",
                         dirs ? dirs : "--plugin-dir (not given)", FLOTILLA_PLUGIN_DIR);
    *ret_file = search.file;
    return 0;
}

struct listing {
    void (*on_file)(void *arg, const char *file);
    void *arg;
};

/* PATH is full of other things: only names that can be plugins are shown from there. */
static int list_dir(void *arg, const char *dir, bool from_path)
{
    struct listing *listing = arg;
    autoclosedir DIR *handle = opendir(dir);
    const struct dirent *entry;

    while (handle && (entry = readdir(handle))) {
        autofree char *file = NULL;

        if (!str_ends(entry->d_name, ".so") || (from_path && !str_starts(entry->d_name, PREFIX)))
            continue;
        file = mem_printf("%s/%s", dir, entry->d_name);
        if (file)
            listing->on_file(listing->arg, file);
    }
    return 0;
}

void plugin_each(const char *dirs, void (*on_file)(void *arg, const char *file), void *arg)
{
    struct listing listing = { on_file, arg };

    (void) each_dir(dirs, list_dir, &listing);
}
