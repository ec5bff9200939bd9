/* core/cli/reset_token.c - `flotilla reset-token`: a new token for a runner, in GitLab and in the configuration
 * (coordinator-protocol.md 1.5).
 *
 * From GitLab's answer on, the former token is of no use. So whatever could keep the new one out of the file is looked
 * for before GitLab is asked. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/cli/rows.h"
#include "core/config/edit_token.h"

#define LOG_TOPIC "reset-token"
#include "core/base/log.h"

struct reset_options {
    struct runners_options runners;
    const char *name, *url;
    struct secret *pat;
    int64_t id;
    bool all;
};

static void usage(void)
{
    (void) printf(
        "Usage: flotilla reset-token (--name NAME | --url URL --id ID | --all-runners)\n"
        "Asks GitLab for a new token of the runner and writes it into the configuration. The\n"
        "former one is of no use from then on.\n\n"
        "  -n, --name NAME         of the entry\n"
        "  -u, --url URL           with --id, of the entry\n"
        "  -i, --id ID             with --url, of the entry\n"
        "      --all-runners       each entry; those that fail keep their token\n"
        "      --pat TOKEN         a personal access token in place of the runner's own\n"
        "      --pat-file FILE     the same from a file, where no list of processes shows "
        "it\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct reset_options *ret)
{
    static const struct row items[] = {
        { "name", NULL, 'n', ROW_TEXT, offsetof(struct reset_options, name) },
        { "url", NULL, 'u', ROW_TEXT, offsetof(struct reset_options, url) },
        { "id", NULL, 'i', ROW_NUMBER, offsetof(struct reset_options, id) },
        { "all-runners", NULL, 0, ROW_FLAG, offsetof(struct reset_options, all) },
        { "pat", NULL, 0, ROW_SECRET, offsetof(struct reset_options, pat) },
        { "pat-file", NULL, 0, ROW_SECRET_FILE, offsetof(struct reset_options, pat) },
    };
    static const struct rows rows = { "reset-token", usage, items, ARRAY_LEN(items) };
    int r = rows_parse(&rows, argc, argv, ret);

    if (r == 0 && !ret->all && !ret->name && !(ret->url && ret->id > 0))
        return cli_misuse("reset-token",
                          "say which runner by --name, or by --url and --id, or --all-runners");
    return r;
}

static void options_done(struct reset_options *options)
{
    secret_free(options->pat);
}

static struct edit_token change_of(const struct reset_options *options, const struct entry *entry)
{
    return (struct edit_token) { .config = options->runners.config,
                                 .url = entry->url,
                                 .former = secret_reveal(entry->token) };
}

static bool can_reset(const struct reset_options *options, const struct entry *entry)
{
    const struct edit_token change = change_of(options, entry);
    struct error err = { 0 };

    if (options->pat && entry->id == 0)
        log_error("the entry of '%s' has no id, which --pat needs; add it, GitLab shows it beside "
                  "the runner",
                  entry->name);
    else if (edit_token_check(&change, RUNNERS_EDIT_WAIT_MS, &err) < 0)
        log_error("%s", err.message);
    else
        return true;
    return false;
}

static int ask(const struct reset_options *options, const struct entry *entry,
               struct gitlab_answer *ret)
{
    const char *pat = options->pat ? secret_reveal(options->pat) : NULL;
    struct coordinator_host host;
    struct error err = { 0 };

    runners_host(entry, &host);
    if (gitlab_reset_token(&host, secret_reveal(entry->token), entry->id, pat, ret, &err) < 0)
        log_error("Resetting runner authentication token... client error: %s", err.message);
    else if (ret->status == 201)
        log_info("Resetting runner authentication token... succeeded");
    else if (ret->status == 403)
        log_error("Resetting runner authentication token... failed (check used token)");
    else
        log_error("Resetting runner authentication token... failed: %s", ret->message);
    return ret->status == 201 && ret->token ? 0 : -EACCES;
}

static int write_token(const struct reset_options *options, const struct entry *entry,
                       const struct gitlab_answer *answer)
{
    struct edit_token change = change_of(options, entry);
    struct error err = { 0 };
    int r;

    change.token = secret_reveal(answer->token);
    change.obtained_ms = clock_wall_ms(&clock_system);
    change.expires_ms = answer->expires_ms;
    r = edit_token(&change, RUNNERS_EDIT_WAIT_MS, &err);
    if (r == 0)
        log_info("Updated %s", change.config);
    else
        log_error(
            "Failed to update %s, and the new token is lost with that: %s. Reset it once more "
            "with --pat, or take a new one at GitLab",
            change.config, err.message);
    return r;
}

static int reset(void *arg, const struct entry *entry)
{
    const struct reset_options *options = arg;
    auto_answer struct gitlab_answer answer = { 0 };

    if (!can_reset(options, entry) || ask(options, entry, &answer) < 0) {
        log_error("Failed to reset runner authentication token");
        return -1;
    }
    return write_token(options, entry, &answer);
}

static bool is_meant(const void *arg, const struct entry *entry)
{
    const struct reset_options *options = arg;

    return options->all ||
           (options->name ? str_eq(entry->name, options->name)
                          : entry->id == options->id && str_eq(entry->url, options->url));
}

static int reset_meant(struct reset_options *options, const struct entries *entries)
{
    const struct entry *first = NULL;

    if (options->all)
        log_warning("Resetting all runner authentication tokens");
    else if (runners_count(entries, is_meant, options, &first) == 0) {
        log_error("no such runner is in %s; `flotilla list` shows them", options->runners.config);
        return -ENOENT;
    }
    return runners_each(entries, is_meant, options, reset, options) > 0 ? -EIO : 0;
}

int cli_reset_token(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct reset_options options = { 0 };
    autoentries struct entries entries = { 0 };
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("reset-token", &options.runners) < 0)
        return 2;
    return runners_load(&options.runners, &entries) < 0 || reset_meant(&options, &entries) < 0;
}
