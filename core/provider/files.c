/* core/provider/files.c - the rules of files.h.
 *
 * Rules are about files, not names: one that is replaced (a token that is renewed, resolv.conf after a change of the
 * network) is another file. So the names are kept, and the worker is started anew when one of them leads elsewhere. */
#include "core/provider/files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <flotilla/provider.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/fs.h"
#include "core/base/landlock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"

#ifdef FLOTILLA_SANITIZED
static const bool possible = false;
#else
static const bool possible = true;
#endif

#define CREDENTIALS_MAX 65536
#define BETWEEN_WORDS " \t\r\n\"'=,"

static const char *const system_programs[] = { "/usr", "/bin", "/sbin", "/lib",      "/lib64",
                                               "/opt", "/gnu", "/nix",  "/snap/bin", "/snap" };

/* Beside what names are looked up with, and certificates. */
static const char *const system_files[] = {
    "/etc/passwd",          "/etc/group",           "/etc/localtime",  "/etc/timezone",
    "/etc/os-release",      "/etc/machine-id",      "/etc/krb5.conf",  "/etc/ld.so.preload",
    "/run/systemd/resolve", "/etc/crypto-policies", "/run/resolvconf",
};

/* Nothing that is another process's. What they are does not change. */
static const char *const kernel_files[] = { "/proc/cpuinfo",          "/proc/meminfo",
                                            "/proc/filesystems",      "/proc/stat",
                                            "/proc/version",          "/proc/sys",
                                            "/sys/devices/system/cpu" };

/* Each process's own: where it leads differs for the one that asks the plugin, and may be hidden from it. */
static const char *const own_process = "/proc/self";

/* Watched alone: landlock.c allows it. */
static const char *const resolver_file = "/etc/resolv.conf";

static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                       "/dev/urandom" };

/* Where clouds' own tools keep what credentials are made of, and people their programs. */
static const struct {
    const char *name;
    bool has_programs;
} home_files[] = {
    { ".aws", false },           { ".azure", false },
    { ".config/gcloud", false }, { ".config/openstack", false },
    { ".kube", false },          { ".oci", false },
    { ".local/bin", true },      { "bin", true },
};

static const char *const folder_variables[] = { "SSL_CERT_DIR", "CLOUDSDK_CONFIG" };

struct path_list {
    char **items;
    size_t n;
};

static struct rules {
    struct path_list readable, programs, writable;
    struct path_list hidden; /* and what is below them */
    int r;
} rules;

struct watched {
    char *path;
    dev_t device; /* 0 and 0: it is not there */
    ino_t inode;
};

static struct watched *watched;
static size_t n_watched;

static void list_add(struct path_list *list, const char *path)
{
    char **grown = mem_resize(list->items, list->n + 1, sizeof(*grown));

    if (grown)
        list->items = grown;
    if (!grown || !(grown[list->n] = mem_strdup(path)))
        rules.r = -ENOMEM;
    else
        list->n++;
}

static struct watched look_at(const char *path)
{
    struct watched found = { 0 };
    struct stat st;

    if (stat(path, &st) == 0) {
        found.device = st.st_dev;
        found.inode = st.st_ino;
    }
    return found;
}

static void watch(const char *path)
{
    struct watched *grown = mem_resize(watched, n_watched + 1, sizeof(*grown));
    struct watched now = look_at(path);

    if (grown)
        watched = grown;
    now.path = mem_strdup(path);
    if (!grown || !now.path)
        rules.r = -ENOMEM;
    else
        watched[n_watched++] = now;
}

bool files_outdated(void)
{
    for (size_t i = 0; i < n_watched; i++) {
        struct watched now = look_at(watched[i].path);

        if (now.device != watched[i].device || now.inode != watched[i].inode)
            return true;
    }
    return false;
}

/* `path` is `above`, or lies below it. */
static bool lies_in(const char *path, const char *above)
{
    size_t len = strlen(above);

    return str_eq(above, "/") ||
           (strncmp(path, above, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

static void add_resolved(struct path_list *list, const char *path);

static void add_entries(struct path_list *list, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        autofree char *path = mem_printf("%s/%s", str_eq(folder, "/") ? "" : folder, entry->d_name);

        if (path && !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
            add_resolved(list, path);
    }
    if (dir)
        (void) closedir(dir);
}

/* A folder with something hidden in it is taken entry by entry. */
static void add_resolved(struct path_list *list, const char *path)
{
    for (size_t i = 0; i < rules.hidden.n; i++) {
        if (lies_in(path, rules.hidden.items[i]))
            return;
        if (lies_in(rules.hidden.items[i], path)) {
            add_entries(list, path);
            return;
        }
    }
    list_add(list, path);
}

static void add_lasting(struct path_list *list, const char *path)
{
    autofree char *resolved = realpath(path, NULL);

    if (resolved)
        add_resolved(list, resolved);
}

static void add(struct path_list *list, const char *path)
{
    watch(path);
    add_lasting(list, path);
}

static void hide(const char *path)
{
    autofree char *resolved = str_empty(path) ? NULL : realpath(path, NULL);

    if (resolved)
        list_add(&rules.hidden, resolved);
}

static const char *home(void)
{
    const char *named = getenv("HOME");
    const struct passwd *user = str_empty(named) ? getpwuid(geteuid()) : NULL;

    return user ? user->pw_dir : named;
}

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* Files that a file of credentials mentions by an absolute path, such as web_identity_token_file and the program of
 * credential_process in ~/.aws/config. */
static void add_mentioned(const char *file)
{
    autobuf struct buf text = BUF_SECRET;
    const char *at;

    watch(file);
    if (fs_read_file(AT_FDCWD, file, CREDENTIALS_MAX, &text, NULL) < 0 || text.len == 0)
        return;
    for (at = buf_str(&text); *at; at += strcspn(at, BETWEEN_WORDS)) {
        at += strspn(at, BETWEEN_WORDS);
        if (*at == '/') {
            autofree char *path = mem_strndup(at, strcspn(at, BETWEEN_WORDS));

            if (path && is_kind(path, S_IFREG))
                add(&rules.programs, path);
        }
    }
}

/* What an operator names for the plugin is the plugin's: a file to read or to run, a folder to work in. */
static void add_named(const char *text)
{
    autofree char *at_home =
        str_starts(text, "~/") && !str_empty(home()) ? mem_printf("%s%s", home(), text + 1) : NULL;
    const char *path = at_home ? at_home : text;

    if (*path != '/')
        return;
    add(is_kind(path, S_IFDIR) ? &rules.writable : &rules.programs, path);
    if (is_kind(path, S_IFREG))
        add_mentioned(path);
}

static void add_config(json_t *value)
{
    if (json_object_is_type(value, json_type_string))
        add_named(json_object_get_string(value));
    for (size_t i = 0;
         json_object_is_type(value, json_type_array) && i < json_object_array_length(value); i++)
        add_config(json_object_array_get_idx(value, i));
    if (!json_object_is_type(value, json_type_object))
        return;
    json_object_object_foreach(value, key, item)
    {
        (void) key;
        add_config(item);
    }
}

static void add_environment(void)
{
    for (char **at = environ; *at; at++) {
        const char *value = strchr(*at, '=');

        if (value && value[1] == '/' && !str_starts(*at, "FLOTILLA_") &&
            is_kind(value + 1, S_IFREG)) {
            add(&rules.readable, value + 1);
            if (str_starts(*at, "AWS_") || str_starts(*at, "GOOGLE_"))
                add_mentioned(value + 1);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(folder_variables); i++) {
        const char *folder = getenv(folder_variables[i]);

        if (folder && *folder)
            add(&rules.readable, folder);
    }
}

static void add_home(void)
{
    for (size_t i = 0; i < ARRAY_LEN(home_files); i++) {
        autofree char *path =
            str_empty(home()) ? NULL : mem_printf("%s/%s", home(), home_files[i].name);

        if (path)
            add(home_files[i].has_programs ? &rules.programs : &rules.readable, path);
    }
}

static void add_profiles(void)
{
    static const char *const profiles[] = { ".aws/config", ".aws/credentials" };

    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        autofree char *path = str_empty(home()) ? NULL : mem_printf("%s/%s", home(), profiles[i]);

        if (path)
            add_mentioned(path);
    }
}

static int apply(void)
{
    const struct landlock_rules all = {
        .readable = (const char *const *) rules.readable.items,
        .n_readable = rules.readable.n,
        .programs = (const char *const *) rules.programs.items,
        .n_programs = rules.programs.n,
        .writable = (const char *const *) rules.writable.items,
        .n_writable = rules.writable.n,
        .resolver = true,
        .certificates = true,
        .any_port = true,
    };

    return rules.r < 0 ? rules.r : landlock_confine(&all);
}

static bool is_folder_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char) *c) && !strchr("._-", *c))
            return false;
    return *name && *name != '.' && !str_eq(name, "spool");
}

int files_own_dir(const char *state_dir, const char *plugin, char **ret, struct error *err)
{
    autofree char *path = NULL;

    if (!is_folder_name(plugin))
        return error_set(err, -EINVAL,
                         "its name '%.64s' cannot be that of its folder: letters, digits and "
                         "\"._-\", not 'spool'",
                         plugin);
    path = mem_printf("%s/%s", state_dir, plugin);
    if (!path)
        return error_set(err, -ENOMEM, "provider: out of memory");
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, "the plugin's folder %s", path);
    if (!is_kind(path, S_IFDIR)) /* else who calls itself "ledger.db" has that to write in */
        return error_errno(err, -ENOTDIR, "the plugin's folder %s", path);
    *ret = take_ptr(path);
    return 0;
}

/* What the plugin says of itself, told by a process that ends with that. */
struct plugin_word {
    uint64_t capabilities;
    char name[64];
};

static _Noreturn void tell_word(const char *file, int fd)
{
    struct plugin_word word = { 0 };
    struct flt_provider provider;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (apply() < 0 || plugin_load_provider(file, &provider, NULL) < 0 || !provider.name ||
        str_copy(word.name, sizeof(word.name), provider.name) < 0)
        _exit(1);
    word.capabilities = provider.capabilities;
    _exit(write(fd, &word, sizeof(word)) == sizeof(word) ? 0 : 1);
}

/* Whether the plugin may be confined only it can say, and its code is not to run before. False: it cannot be loaded,
 * which the worker will tell. */
static bool ask_plugin(const char *file, struct plugin_word *ret)
{
    autoclose int ours = -1, theirs = -1;
    int fds[2];
    pid_t child;
    bool told;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    ours = fds[0];
    theirs = fds[1];
    child = fork();
    if (child == 0)
        tell_word(file, theirs);
    (void) close(take_fd(&theirs));
    told = child > 0 && read(ours, ret, sizeof(*ret)) == sizeof(*ret);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return told;
}

static int add_own_dir(const char *state_dir, const char *name, struct error *err)
{
    autofree char *own = NULL, *resolved = NULL;
    int r = files_own_dir(state_dir, name, &own, err);

    if (r < 0)
        return r;
    resolved = realpath(own, NULL);
    if (!resolved)
        return error_errno(err, -errno, "the plugin's folder %s", own);
    list_add(&rules.writable, resolved);
    return 0;
}

static void collect(const char *plugin, const char *config)
{
    autojson json_t *named = NULL;

    for (size_t i = 0; i < ARRAY_LEN(system_programs); i++)
        add_lasting(&rules.programs, system_programs[i]);
    for (size_t i = 0; i < ARRAY_LEN(kernel_files); i++)
        add_lasting(&rules.readable, kernel_files[i]);
    list_add(&rules.readable, own_process);
    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        add_lasting(&rules.writable, devices[i]);
    for (size_t i = 0; i < ARRAY_LEN(system_files); i++)
        add(&rules.readable, system_files[i]);
    watch(resolver_file);
    add(&rules.readable, plugin);
    add_home();
    add_profiles();
    add_environment();
    if (json_parse(config, strlen(config), &named, NULL) == 0)
        add_config(named);
}

int files_confine(json_t *load, struct error *err)
{
    const char *file = "", *state_dir = "", *config_file = "", *config = "{}";
    struct plugin_word word = { 0 };
    int r = 0;

    if (!possible || landlock_level() == 0)
        return 0;
    (void) json_opt_str(load, "file", &file, NULL);
    (void) json_opt_str(load, "state_dir", &state_dir, NULL);
    (void) json_opt_str(load, "config_file", &config_file, NULL);
    (void) json_opt_str(load, "plugin_config", &config, NULL);
    hide(state_dir);
    hide(config_file);
    collect(file, config);
    if (ask_plugin(file, &word) && (word.capabilities & FLT_CAP_THIS_MACHINE)) {
        n_watched = 0;
        return 0;
    }
    if (*word.name && *state_dir)
        r = add_own_dir(state_dir, word.name, err);
    if (r == 0) {
        r = apply();
        if (r < 0)
            (void) error_errno(err, r, "the provider's file rules cannot be made");
    }
    return r;
}

bool files_describe(struct buf *out)
{
    int level = possible ? landlock_level() : 0;

    if (level > 0)
        buf_addf(out, "providers: files limited by Landlock (level %d)", level);
    else
        buf_addf(out, "providers: files not limited: %s",
                 possible ? "this kernel has no Landlock" : "a build with sanitizers");
    return level > 0;
}
