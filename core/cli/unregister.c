/* core/cli/unregister.c - `flotilla unregister`: a runner, or this manager of it, goes from GitLab and then from the
 * configuration (coordinator-protocol.md 1.5). */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/rows.h"

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
        "  -t, --token TOKEN       of the entry [CI_SERVER_TOKEN]\n"
        "  -u, --url URL           of the entry, beside --name or --token\n"
        "      --all-runners       each entry; those that fail stay\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct unregister_options *ret)
{
    static const struct row items[] = {
        { "name", NULL, 'n', ROW_TEXT, offsetof(struct unregister_options, name) },
        { "url", NULL, 'u', ROW_TEXT, offsetof(struct unregister_options, url) },
        { "token", "CI_SERVER_TOKEN", 't', ROW_SECRET, offsetof(struct unregister_options, token) },
        { "all-runners", NULL, 0, ROW_FLAG, offsetof(struct unregister_options, all) },
    };
    static const struct rows rows = { "unregister", usage, items, ARRAY_LEN(items) };
    int r = rows_parse(&rows, argc, argv, ret);

    if (r == 0 && !ret->all && !ret->name && !ret->token)
        return cli_misuse("unregister", "say which runner by --name or --token, or --all-runners");
    return r;
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

struct removal {
    const struct unregister_options *options;
    char system_id[SYSTEM_ID_SIZE];
};

/* From GitLab, then from the file. */
static int unregister(void *arg, const struct entry *entry)
{
    const struct removal *removal = arg;
    const char *token = secret_reveal(entry->token);
    auto_answer struct gitlab_answer answer = { 0 };
    struct coordinator_host host;
    struct error err = { 0 };
    int r = -EACCES;

    runners_host(entry, &host);
    if (gitlab_unregister(&host, token, removal->system_id, &answer, &err) < 0)
        log_error("Unregistering runner from GitLab client error: %s", err.message);
    else if (tell_result(coordinator_token_is_made(token) ? "runner manager" : "runner", &answer))
        r = runners_remove(removal->options->runners.config, entry);
    if (r < 0)
        log_error("Failed to unregister runner %s", entry->name);
    return r;
}

static bool is_meant(const void *arg, const struct entry *entry)
{
    const struct unregister_options *options = arg;

    return options->all || ((!options->name || str_eq(options->name, entry->name)) &&
                            (!options->url || str_eq(options->url, entry->url)) &&
                            (!options->token ||
                             str_eq(secret_reveal(options->token), secret_reveal(entry->token))));
}

static int unregister_meant(struct removal *removal, const struct entries *entries)
{
    const struct unregister_options *options = removal->options;
    const struct entry *first = NULL;
    size_t n = runners_count(entries, is_meant, options, &first);

    if (options->all)
        log_warning("Unregistering all runners");
    else if (n == 0)
        log_error("no such runner is in %s; `flotilla list` shows them", options->runners.config);
    else if (n > 1)
        log_error("%zu runners are meant; say which by its --token", n);
    if (!options->all && n != 1)
        return -ENOENT;
    return runners_each(entries, is_meant, options, unregister, removal) > 0 ? -EIO : 0;
}

int cli_unregister(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct unregister_options options = { 0 };
    struct removal removal = { .options = &options };
    autoentries struct entries entries = { 0 };
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("unregister", &options.runners) < 0)
        return 2;
    if (runners_load(&options.runners, &entries) < 0 ||
        runners_system_id(&options.runners, removal.system_id) < 0 ||
        unregister_meant(&removal, &entries) < 0)
        return 1;
    return 0;
}
