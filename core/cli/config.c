/* core/cli/config.c - `flotilla config check`: what is wrong with a config.toml, or worth knowing,
 * before a manager reads it; for people, editors and pipelines. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "core/base/harden.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/plugin_inspect.h"
#include "core/plugin/plugin.h"

struct check_options {
    const char *file, *plugin_dirs;
    bool json, strict;
};

static const char usage[] =
    "Usage: flotilla config check FILE [--strict] [--json] [--plugin-dir DIR[:DIR]]\n"
    "Checks a config.toml and says what is wrong as FILE:LINE:COLUMN: sentence. Where a plugin is\n"
    "installed, it is asked for the keys of its plugin_config.\n"
    "\n"
    "  --strict          warnings count as errors: an unknown setting, say\n"
    "  --json            one JSON document with all findings, for editors and pipelines\n"
    "  --plugin-dir DIR  where plugins are looked for first; then in FLOTILLA_PLUGIN_PATH,\n"
    "                    the installed folder and PATH\n"
    "\n"
    "Exit status: 0 when a manager can use the file, 1 when it cannot, 2 for a wrong command "
    "line.\n";

static int parse_options(int argc, char **argv, struct check_options *ret)
{
    static const struct option options[] = {
        { "strict", no_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "plugin-dir", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (c) {
        case 's':
            ret->strict = true;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'p':
            ret->plugin_dirs = optarg;
            break;
        case 'h':
            (void) fputs(usage, stdout);
            return 1;
        default:
            return cli_wrong_option("config", c, argv);
        }
    }
    if (optind == argc)
        return cli_misuse("config", "check is missing");
    if (!str_eq(argv[optind], "check"))
        return cli_misuse("config", "'%s' is not check", argv[optind]);
    if (++optind == argc)
        return cli_misuse("config", "check needs the name of a file");
    ret->file = argv[optind++];
    if (optind < argc)
        return cli_misuse("config", "there is no argument '%s'", argv[optind]);
    return 0;
}

/* The plugin's code runs in a child (plugin_inspect.h). */
static int plugin_keys(void *arg, const char *plugin, json_t **ret, struct error *err)
{
    const struct check_options *options = arg;
    autojson json_t *reply = NULL;
    autofree char *file = NULL;
    json_t *keys = NULL;
    int r = plugin_find(plugin, options->plugin_dirs, &file, NULL, err);

    if (r < 0)
        return r;
    /* The codes of the ABI are no errno: none of them may look like -ENOENT. */
    if (plugin_inspect_provider(file, &reply, err) < 0 ||
        json_opt_array(reply, "keys", &keys, err) < 0)
        return -EPROTO;
    *ret = keys ? json_object_get(keys) : json_object_new_array();
    return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int find_isolation(void *arg, const char *plugin, struct error *err)
{
    const struct check_options *options = arg;
    autojson json_t *reply = NULL;
    autofree char *file = NULL;
    const char *kind = "";
    int r = plugin_find(plugin, options->plugin_dirs, &file, NULL, err);

    if (r < 0)
        return r;
    if (plugin_inspect(file, &reply, err) < 0 || json_opt_str(reply, "kind", &kind, err) < 0)
        return -EPROTO;
    return str_eq(kind, "isolation")
               ? 0
               : error_set(err, -EPROTO, "plugin '%s' makes instances and no VMs", plugin);
}

/* Members are never missing: without a key there is a null. */
static int add_key(json_t *item, const char *key)
{
    return key ? json_add_str(item, "key", key) : json_object_object_add(item, "key", NULL);
}

static int add_finding(json_t *list, const char *file, const struct config_finding *finding)
{
    json_t *item = json_object_new_object();

    if (!item || json_add_str(item, "file", file) < 0 ||
        json_add_i64(item, "line", finding->line) < 0 ||
        json_add_i64(item, "column", finding->column) < 0 ||
        json_add_str(item, "level", config_severity_name(finding->severity)) < 0 ||
        add_key(item, finding->key) < 0 || json_add_str(item, "sentence", finding->sentence) < 0 ||
        json_object_array_add(list, item) < 0) {
        json_object_put(item);
        return -ENOMEM;
    }
    return 0;
}

static int print_json(const char *file, const struct config_findings *findings, bool usable)
{
    autojson json_t *document = json_object_new_object(), *list = json_object_new_array();
    int r = document && list ? json_add_bool(document, "usable", usable) : -ENOMEM;

    for (size_t i = 0; i < findings->count && r == 0; i++)
        r = add_finding(list, file, &findings->items[i]);
    if (r == 0)
        r = json_add(document, "findings", json_object_get(list));
    if (r == 0)
        (void) printf("%s\n", json_text(document));
    return r;
}

static void print_count(const struct config_findings *findings, enum config_severity severity,
                        const char *before)
{
    size_t count = config_findings_count(findings, severity);

    (void) printf("%s%zu %s%s", before, count, config_severity_name(severity),
                  count == 1 ? "" : "s");
}

static void print_summary(const char *file, const struct config_findings *findings)
{
    (void) printf("%s: ", file);
    print_count(findings, CONFIG_ERROR, "");
    print_count(findings, CONFIG_WARNING, ", ");
    print_count(findings, CONFIG_NOTE, ", ");
    (void) printf("\n");
}

/* 0 or 1, the exit status. */
static int check(struct check_options *options)
{
    const struct config_plugins plugins = { .keys = plugin_keys,
                                            .isolation = find_isolation,
                                            .arg = options };
    struct config_findings findings = { 0 };
    int r = config_check(options->file, &plugins, &findings);
    bool usable =
        r == 0 && !(options->strict && config_findings_count(&findings, CONFIG_WARNING) > 0);

    r = 0;
    if (options->json) {
        r = print_json(options->file, &findings, usable);
    } else {
        config_findings_print(&findings, CONFIG_NOTE, stdout);
        print_summary(options->file, &findings);
    }
    config_findings_done(&findings);
    return usable && r == 0 ? 0 : 1;
}

int cli_config(int argc, char **argv)
{
    struct check_options options = { 0 };
    int r = parse_options(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    return harden_process() < 0 ? 1 : check(&options);
}
