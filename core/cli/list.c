/* core/cli/list.c - `flotilla list`: the runners of the configuration, as GitLab Runner lists them, but with no more of
 * a token than a log may show (hardening.md S5). */
#include <stdio.h>

#include "core/base/str.h"
#include "core/base/token.h"
#include "core/cli/rows.h"

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

static int show(const struct entry *entry)
{
    char token[TOKEN_SHORT_SIZE];

    token_shorten(secret_reveal(entry->token), token);
    auto_log_scope struct log_scope executor = log_scope_open("Executor", "%s", entry->executor);
    auto_log_scope struct log_scope shown = log_scope_open("Token", "%.8s", token);
    auto_log_scope struct log_scope url = log_scope_open("URL", "%s", entry->url);
    log_info("%s", entry->name);
    if (entry->fault)
        log_error("%s", entry->fault);
    return entry->fault ? -1 : 0;
}

static int show_all(const char *config, const struct entries *entries)
{
    struct log_scope scope = log_scope_open("ConfigFile", "%s", config);
    int r = 0;

    log_info("Listing configured runners");
    log_scope_close(&scope);
    for (size_t i = 0; i < entries->n; i++)
        if (show(&entries->items[i]) < 0)
            r = -1;
    return r;
}

int cli_list(int argc, char **argv)
{
    static const struct rows rows = { .command = "list", .usage = usage };
    struct runners_options options = { 0 };
    autoentries struct entries entries = { 0 };
    int r = rows_parse(&rows, argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("list", &options) < 0)
        return 2;
    return runners_load(&options, &entries) < 0 || show_all(options.config, &entries) < 0;
}
