/* core/cli/plugin.c - `flotilla plugin list | info | check | try`: what is installed, what it takes,
 * whether it keeps the contract, and whether a configured group works. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/plugin_inspect.h"
#include "core/cli/plugin_try.h"
#include "core/plugin/plugin.h"
#include "sdk/check/check.h"

#define CONFIG_MAX ((size_t) 1024 * 1024)
#define PATIENCE_MS 60000
#define TRY_PATIENCE_MS (10 * 60 * 1000)

struct plugin_options {
    const char *verb, *word, *dirs, *config;
    int64_t patience_ms; /* 0 = the verb's own */
};

static const char usage[] =
    "Usage: flotilla plugin list [--plugin-dir DIR[:DIR]]\n"
    "       flotilla plugin info FILE|NAME [--plugin-dir DIR[:DIR]]\n"
    "       flotilla plugin check FILE|NAME [--plugin-dir DIR[:DIR]] [--config FILE.json]\n"
    "                                       [--timeout DURATION]\n"
    "       flotilla plugin try RUNNER [--config CONFIG.toml] [--plugin-dir DIR[:DIR]]\n"
    "                                  [--timeout DURATION]\n"
    "Lists the plugins of the plugin path, or shows one with the keys of its plugin_config.\n"
    "\n"
    "check: whether it keeps the contract of flotilla/provider.h. It really adds two instances to\n"
    "the group that the JSON file (its plugin_config) describes, and removes them; --timeout (1m)\n"
    "is how long the cloud may take for either. Of a plugin that isolates jobs in VMs\n"
    "(flotilla/isolation.h) the file is its vm_isolation table, \"image\" the image of the VMs "
    "that\n"
    "it makes and removes, and this machine is the instance.\n"
    "\n"
    "try: whether the group of that [[runners]] entry works. It orders one instance, connects to\n"
    "it, runs a command and removes it again, also after a failure or an interrupt; --timeout "
    "(10m)\n"
    "is how long it may take to come and to go. No manager should run on the group meanwhile.\n";

static int check_words(const struct plugin_options *options)
{
    bool list = str_eq(options->verb, "list");

    if (!options->verb)
        return cli_misuse("plugin", "one of list, info, check and try is missing");
    if (!list && !str_eq(options->verb, "info") && !str_eq(options->verb, "check") &&
        !str_eq(options->verb, "try"))
        return cli_misuse("plugin", "'%s' is none of list, info, check and try", options->verb);
    if (list && options->word)
        return cli_misuse("plugin", "list takes no argument '%s'", options->word);
    if (!list && !options->word)
        return cli_misuse("plugin", "%s needs the name %s", options->verb,
                          str_eq(options->verb, "try") ? "of a runner" : "or the file of a plugin");
    return 0;
}

static int parse_options(int argc, char **argv, struct plugin_options *ret)
{
    static const struct option options[] = {
        { "plugin-dir", required_argument, NULL, 'p' },
        { "config", required_argument, NULL, 'c' },
        { "timeout", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (c) {
        case 'p':
            ret->dirs = optarg;
            break;
        case 'c':
            ret->config = optarg;
            break;
        case 't':
            if (parse_duration_ms(optarg, &ret->patience_ms) == 0 && ret->patience_ms > 0)
                break;
            (void) fprintf(stderr, "flotilla plugin: --timeout '%s' is no duration like 30s\n",
                           optarg);
            return -EINVAL;
        case 'h':
            (void) fputs(usage, stdout);
            return 1;
        default:
            return cli_wrong_option("plugin", c, argv);
        }
    }
    if (optind < argc)
        ret->verb = argv[optind++];
    if (optind < argc)
        ret->word = argv[optind++];
    if (optind < argc)
        return cli_misuse("plugin", "there is no argument '%s'", argv[optind]);
    return check_words(ret);
}

static const char *text_of(json_t *obj, const char *key)
{
    const char *text = "";

    (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

static int64_t number_of(json_t *obj, const char *key)
{
    int64_t number = 0;

    (void) json_opt_i64(obj, key, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

/* Everything here is the plugin's own word: nothing of it may drive the operator's terminal. Width
 * 0 ends the line. */
static void print_cell(const char *text, int width)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), 400);
    (void) printf("%-*s%s", width, buf_str(&shown), width > 0 ? "  " : "\n");
}

static void list_file(void *arg, const char *file)
{
    autojson json_t *reply = NULL;
    autobuf struct buf abi = BUF_INIT;
    struct error err = { 0 };
    size_t *count = arg;

    ++*count;
    if (plugin_inspect(file, &reply, &err) < 0) {
        print_cell("-", 30);
        print_cell("refused", 10);
        print_cell("-", 9);
        print_cell("-", 4);
        print_cell(err.message, 0);
    } else {
        buf_addf(&abi, "1.%" PRIi64, number_of(reply, "abi_minor"));
        print_cell(text_of(reply, "name"), 30);
        print_cell(text_of(reply, "version"), 10);
        print_cell(text_of(reply, "kind"), 9);
        print_cell(buf_str(&abi), 4);
        print_cell(file, 0);
    }
}

/* A folder that was named has to be there, unlike those of the environment. */
static int check_folders(const char *dirs)
{
    for (const char *rest = dirs; rest && *rest;) {
        size_t len = strcspn(rest, ":");
        autofree char *dir = mem_strndup(rest, len);
        autoclosedir DIR *handle = dir && len > 0 ? opendir(dir) : NULL;

        if (len > 0 && !handle) {
            (void) fprintf(stderr, "flotilla: --plugin-dir %s: %m\n", dir ? dir : "");
            return -ENOENT;
        }
        rest += len + (rest[len] == ':');
    }
    return 0;
}

static int list_plugins(const struct plugin_options *options)
{
    size_t count = 0;

    if (check_folders(options->dirs) < 0)
        return 1;
    (void) printf("%-30s  %-10s  %-9s  %-4s  %s\n", "NAME", "VERSION", "KIND", "ABI", "FILE");
    (void) fflush(stdout); /* the children must not inherit it unwritten */
    plugin_each(options->dirs, list_file, &count);
    if (count == 0)
        (void) fprintf(
            stderr, "flotilla: no plugin is in the plugin path; --plugin-dir DIR adds a folder\n");
    return 0;
}

/* A file that is there is meant as such, whatever it looks like; else it is a name. */
static int resolve(const struct plugin_options *options, char **ret_file, struct error *err)
{
    const char *word = options->word ? options->word : "";
    bool shared_object = str_ends(word, ".so");
    autobuf struct buf notice = BUF_INIT;
    struct stat st;
    int r;

    if (strchr(word, '/') && stat(word, &st) == 0 && S_ISDIR(st.st_mode))
        return error_set(err, -EISDIR,
                         "%s is a folder; name a file in it, or give it with --plugin-dir", word);
    if ((shared_object || strchr(word, '/')) && access(word, F_OK) == 0) {
        *ret_file = *word == '/' ? mem_strdup(word) : mem_printf("./%s", word);
        return *ret_file ? 0 : error_set(err, -ENOMEM, "out of memory");
    }
    if (shared_object)
        return error_errno(err, -errno, "%s", word);
    r = plugin_find(word, options->dirs, ret_file, &notice, err);
    if (notice.len > 0)
        (void) fprintf(stderr, "note: %s\n", buf_str(&notice));
    return r;
}

static void print_keys(json_t *keys)
{
    size_t n = keys ? json_object_array_length(keys) : 0;

    if (n == 0) {
        (void) printf("\nIt does not tell the keys of its plugin_config.\n");
        return;
    }
    (void) printf("\n%-28s  %-8s  %-8s  %-16s  %s\n", "KEY", "TYPE", "REQUIRED", "DEFAULT", "HELP");
    for (size_t i = 0; i < n; i++) {
        json_t *key = json_object_array_get_idx(keys, i);
        const char *fallback = NULL;
        bool required = false;

        (void) json_opt_bool(key, "required", &required, NULL);
        (void) json_opt_str(key, "default", &fallback, NULL);
        print_cell(text_of(key, "name"), 28);
        print_cell(text_of(key, "type"), 8);
        print_cell(required ? "yes" : "no", 8);
        print_cell(!fallback ? "-" : *fallback ? fallback : "\"\"", 16);
        print_cell(text_of(key, "help"), 0);
    }
}

struct capability {
    uint64_t bit;
    const char *name;
};

static void print_capabilities(int64_t bits, const struct capability *known, size_t n)
{
    const char *space = "";

    (void) printf("capabilities  ");
    for (size_t i = 0; i < n; i++)
        if ((uint64_t) bits & known[i].bit) {
            (void) printf("%s%s", space, known[i].name);
            space = ", ";
        }
    (void) printf("%s\n", *space ? "" : "none");
}

static void print_provider(json_t *reply)
{
    static const struct capability known[] = {
        { FLT_CAP_HEARTBEAT, "heartbeat" },       { FLT_CAP_SUSPEND_RESUME, "suspend_resume" },
        { FLT_CAP_SIGNALS, "signals" },           { FLT_CAP_CONFIG_KEYS, "config_keys" },
        { FLT_CAP_THIS_MACHINE, "this_machine" }, { FLT_CAP_IDS_RETURN, "ids_return" },
    };
    json_t *keys = NULL;

    print_capabilities(number_of(reply, "capabilities"), known, ARRAY_LEN(known));
    (void) json_opt_array(reply, "keys", &keys, NULL);
    print_keys(keys);
}

static void print_isolation(json_t *reply)
{
    static const struct capability known[] = { { FLT_ISOLATION_CAP_SHUTDOWN, "shutdown" } };

    print_capabilities(number_of(reply, "capabilities"), known, ARRAY_LEN(known));
}

static int show_plugin(const char *file)
{
    static const char *const fields[] = { "name", "version" };
    autojson json_t *reply = NULL;
    struct error err = { 0 };

    if (plugin_inspect(file, &reply, &err) < 0) {
        (void) fprintf(stderr, "flotilla: %s\n", err.message);
        return 1;
    }
    (void) printf("%-12s  %s\n", "file", file);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        (void) printf("%-12s  ", fields[i]);
        print_cell(text_of(reply, fields[i]), 0);
    }
    (void) printf("%-12s  %s 1.%" PRIi64 "\n", "abi", text_of(reply, "kind"),
                  number_of(reply, "abi_minor"));
    if (str_eq(text_of(reply, "kind"), "isolation"))
        print_isolation(reply);
    else
        print_provider(reply);
    return 0;
}

static int parse_config(const char *file, const struct buf *text, struct error *err)
{
    autojson json_t *parsed = NULL;
    int r = json_parse(buf_str(text), text->len, &parsed, err);

    if (r == 0 && !json_object_is_type(parsed, json_type_object))
        r = error_set(err, -EINVAL, "it holds no JSON object");
    return r < 0 ? error_wrap(err, r, "%s", file) : 0;
}

/* malloc counts freed pieces that a thread keeps at hand as taken, and what looks for leaks would take them for some.
 * glibc hears of it when a program begins. */
static void begin_again_without_caches(int argc, char **argv)
{
    autofree char **again = mem_array((size_t) argc + 2, sizeof(*again));

    if (!again || getenv("GLIBC_TUNABLES") ||
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) < 0)
        return;
    again[0] = (char *) (uintptr_t) "flotilla";
    for (int i = 0; i < argc; i++)
        again[i + 1] = argv[i];
    (void) execv(cli_self_exe(), again); /* else with them: the check counts what grows each time */
}

static int check_plugin(const struct plugin_options *options, const char *file)
{
    struct check_options check = { .file = file,
                                   .self_exe = cli_self_exe(),
                                   .patience_ms =
                                       options->patience_ms ? options->patience_ms : PATIENCE_MS };
    autobuf struct buf config = BUF_INIT;
    struct error err = { 0 };
    int r = 0;

    if (options->config) {
        r = fs_read_file(AT_FDCWD, options->config, CONFIG_MAX, &config, &err);
        if (r == 0)
            r = parse_config(options->config, &config, &err);
        check.plugin_config = buf_str(&config);
    }
    if (r == 0)
        r = check_contract(&check, stdout, &err);
    if (r < 0)
        (void) fprintf(stderr, "flotilla: %s\n", err.message);
    return r == 0 ? 0 : 1;
}

static int try_runner(const struct plugin_options *options)
{
    const char *file = options->config ? options->config : cli_default_config();
    auto_ptr(config_free) struct config *config = NULL;
    struct try_options try = { .plugin_dirs = options->dirs,
                               .patience_ms =
                                   options->patience_ms ? options->patience_ms : TRY_PATIENCE_MS };
    autobuf struct buf names = BUF_INIT;

    if (harden_process() < 0 || cli_load_config(file, CONFIG_WARNING, &config) < 0)
        return 1;
    try.config = config;
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_INFO); /* a plugin tells whose keys it uses, and more */
    for (size_t i = 0; i < config->n_runners; i++) {
        if (str_eq(config->runners[i].name, options->word))
            return plugin_try(&try, &config->runners[i]);
        buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", config->runners[i].name);
    }
    (void) fprintf(stderr, "flotilla: %s has no [[runners]] entry named '%s'; it has %s\n", file,
                   options->word, names.len > 0 ? buf_str(&names) : "none");
    return 1;
}

int cli_plugin(int argc, char **argv)
{
    struct plugin_options options = { 0 };
    autofree char *file = NULL;
    struct error err = { 0 };
    int r = parse_options(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (str_eq(options.verb, "list"))
        return list_plugins(&options);
    if (str_eq(options.verb, "try"))
        return try_runner(&options);
    if (resolve(&options, &file, &err) < 0) {
        (void) fprintf(stderr, "flotilla: %s\n", err.message);
        return 1;
    }
    if (str_eq(options.verb, "info"))
        return show_plugin(file);
    begin_again_without_caches(argc, argv);
    return check_plugin(&options, file);
}
