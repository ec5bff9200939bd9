/* core/cli/list.c - `flotilla list`: the runners of the configuration, as GitLab Runner lists them, but with no more of
 * a token than a log may show (hardening.md S5). */
#include <stdio.h>

#include "core/base/str.h"
#include "core/base/token.h"
#include "core/cli/runners.h"

#define LOG_TOPIC "list"
#include "core/base/log.h"

static void usage(void)
{
    (void) printf(
        "Usage: flotilla list [--config FILE]\n"
        "Lists the runners of the configuration with their executor and URL, and the first 8\n"
        "characters of the token behind its prefix. On standard error, as GitLab Runner does.\n"
        "\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct runners_options *ret)
{
    static const struct option options[] = { RUNNERS_OPTIONS };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        if (c == 'h') {
            usage();
            return 1;
        }
        if (!runners_take_option(ret, c))
            return cli_wrong_option("list", c, argv);
    }
    return optind < argc ? cli_misuse("list", "there is no argument '%s'", argv[optind]) : 0;
}

static void show(const struct entry *entry)
{
    char token[TOKEN_SHORT_SIZE];

    token_shorten(secret_reveal(entry->token), token);
    auto_log_scope struct log_scope executor = log_scope_open("Executor", "%s", entry->executor);
    auto_log_scope struct log_scope shown = log_scope_open("Token", "%.8s", token);
    auto_log_scope struct log_scope url = log_scope_open("URL", "%s", entry->url);
    log_info("%s", entry->name);
}

static void show_all(const char *config, const struct entries *entries)
{
    struct log_scope scope = log_scope_open("ConfigFile", "%s", config);

    log_info("Listing configured runners");
    log_scope_close(&scope);
    for (size_t i = 0; i < entries->n; i++)
        show(&entries->items[i]);
}

int cli_list(int argc, char **argv)
{
    struct runners_options options = { 0 };
    autoentries struct entries entries = { 0 };
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("list", &options) < 0)
        return 2;
    if (runners_load(&options, &entries) < 0)
        return 1;
    show_all(options.config, &entries);
    return 0;
}
