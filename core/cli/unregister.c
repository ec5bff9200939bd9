/* core/cli/unregister.c - `flotilla unregister`: a runner, or this manager of it, goes from GitLab and then from the
 * configuration (coordinator-protocol.md 1.5). */
#include <errno.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/base/token.h"
#include "core/cli/runners.h"

#define LOG_TOPIC "unregister"
#include "core/base/log.h"

struct unregister_options {
    struct runners_options runners;
    const char *name, *url;
    struct secret *token;
    bool all;
};

static void usage(void)
{
    (void) printf(
        "Usage: flotilla unregister (--name NAME | --token TOKEN | --all-runners)\n"
        "Tells GitLab that the runner is gone, and takes its entry out of the configuration.\n"
        "Of a runner that was made at GitLab (its token begins with glrt-) only this\n"
        "manager goes there; the runner stays until it is deleted at GitLab.\n\n"
        "  -n, --name NAME         of the entry\n"
        "  -t, --token TOKEN       of the entry\n"
        "  -u, --url URL           of the entry, beside --name or --token\n"
        "      --all-runners       each entry; those that fail stay\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct unregister_options *ret)
{
    static const struct option options[] = { { "name", required_argument, NULL, 'n' },
                                             { "url", required_argument, NULL, 'u' },
                                             { "token", required_argument, NULL, 't' },
                                             { "all-runners", no_argument, NULL, 'A' },
                                             RUNNERS_OPTIONS };
    int c;

    while ((c = getopt_long(argc, argv, ":c:n:u:t:h", options, NULL)) != -1) {
        if (c == 'h') {
            usage();
            return 1;
        }
        if (c == 'n')
            ret->name = optarg;
        else if (c == 'u')
            ret->url = optarg;
        else if (c == 't' && !ret->token)
            ret->token = runners_take_secret(optarg);
        else if (c == 'A')
            ret->all = true;
        else if (!runners_take_option(&ret->runners, c))
            return cli_wrong_option("unregister", c, argv);
    }
    if (optind < argc)
        return cli_misuse("unregister", "there is no argument '%s'", argv[optind]);
    if (!ret->all && !ret->name && !ret->token)
        return cli_misuse("unregister", "say which runner by --name or --token, or --all-runners");
    return 0;
}

static void options_done(struct unregister_options *options)
{
    secret_free(options->token);
}

static bool tell_result(const char *who, const struct gitlab_answer *answer)
{
    if (answer->status == 204)
        log_info("Unregistering %s from GitLab succeeded", who);
    else if (answer->status == 403)
        log_error("Unregistering %s from GitLab forbidden", who);
    else
        log_error("Unregistering %s from GitLab failed: %s", who, answer->message);
    return answer->status == 204;
}

/* From GitLab, then from the file. */
static int unregister(const char *config, const struct entry *entry, const char *system_id)
{
    const char *token = secret_reveal(entry->token);
    auto_answer struct gitlab_answer answer = { 0 };
    struct coordinator_host host;
    char shown[TOKEN_SHORT_SIZE];
    struct error err = { 0 };

    token_shorten(token, shown);
    auto_log_scope struct log_scope scope = log_scope_open("runner", "%.8s", shown);
    runners_host(entry, &host);
    if (gitlab_unregister(&host, token, system_id, &answer, &err) < 0) {
        log_error("Unregistering runner from GitLab client error: %s", err.message);
        return -1;
    }
    if (!tell_result(coordinator_token_is_made(token) ? "runner manager" : "runner", &answer))
        return -1;
    if (runners_remove(config, entry, &err) < 0) {
        log_error("Failed to update %s: %s", config, err.message);
        return -1;
    }
    log_info("Updated %s", config);
    return 0;
}

static bool is_meant(const struct unregister_options *options, const struct entry *entry)
{
    return (!options->name || str_eq(options->name, entry->name)) &&
           (!options->url || str_eq(options->url, entry->url)) &&
           (!options->token || str_eq(secret_reveal(options->token), secret_reveal(entry->token)));
}

static const struct entry *find(const struct unregister_options *options,
                                const struct entries *entries)
{
    const struct entry *meant = NULL;
    size_t n = 0;

    for (size_t i = 0; i < entries->n; i++)
        if (is_meant(options, &entries->items[i])) {
            meant = &entries->items[i];
            n++;
        }
    if (n == 0)
        log_error("no such runner is in %s; `flotilla list` shows them", options->runners.config);
    else if (n > 1)
        log_error("%zu runners are meant; say which by its --token", n);
    return n == 1 ? meant : NULL;
}

static int unregister_meant(const struct unregister_options *options, const struct entries *entries,
                            const char *system_id)
{
    const char *config = options->runners.config;
    const struct entry *meant;
    int r = 0;

    if (!options->all) {
        meant = find(options, entries);
        return meant ? unregister(config, meant, system_id) : -ENOENT;
    }
    log_warning("Unregistering all runners");
    for (size_t i = 0; i < entries->n; i++)
        if (unregister(config, &entries->items[i], system_id) < 0) {
            log_error("Failed to unregister runner %s", entries->items[i].name);
            r = -1;
        }
    return r;
}

int cli_unregister(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct unregister_options options = { 0 };
    autoentries struct entries entries = { 0 };
    char system_id[SYSTEM_ID_SIZE];
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("unregister", &options.runners) < 0)
        return 2;
    if (runners_load(&options.runners, &entries) < 0 ||
        runners_system_id(&options.runners, system_id) < 0 ||
        unregister_meant(&options, &entries, system_id) < 0)
        return 1;
    return 0;
}
