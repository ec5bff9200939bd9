/* core/cli/verify.c - `flotilla verify`: does GitLab still know the runners of the configuration
 * (coordinator-protocol.md 1.4)? Only its 403 says no; whoever did not answer so stays. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/rows.h"

#define LOG_TOPIC "verify"
#include "core/base/log.h"

#define ANY_URL "*"

struct verify_options {
    struct runners_options runners;
    const char *name, *url;
    struct secret *token;
    bool removes; /* --delete */
};

static void usage(void)
{
    (void) printf(
        "Usage: flotilla verify [--name NAME] [--url URL --token TOKEN] [--delete]\n"
        "Asks GitLab whether it knows the runners of the configuration: all, or those that\n"
        "are called NAME or have this URL and TOKEN. Ends with 1 when GitLab has removed one\n"
        "of them; with --delete its entry goes from the file instead.\n\n"
        "  -n, --name NAME\n"
        "  -u, --url URL           with --token; '*' is any\n"
        "  -t, --token TOKEN\n"
        "      --delete            takes the entries of removed runners out of the "
        "file\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse(int argc, char **argv, struct verify_options *ret)
{
    static const struct row items[] = {
        { "name", NULL, 'n', ROW_TEXT, offsetof(struct verify_options, name) },
        { "url", NULL, 'u', ROW_TEXT, offsetof(struct verify_options, url) },
        { "token", NULL, 't', ROW_SECRET, offsetof(struct verify_options, token) },
        { "delete", NULL, 0, ROW_FLAG, offsetof(struct verify_options, removes) },
    };
    static const struct rows rows = { "verify", usage, items, ARRAY_LEN(items) };

    return rows_parse(&rows, argc, argv, ret);
}

static void options_done(struct verify_options *options)
{
    secret_free(options->token);
}

static bool url_matches(const char *wanted, const char *url)
{
    return str_empty(wanted) || str_eq(wanted, ANY_URL) || str_empty(url) || str_eq(url, ANY_URL) ||
           str_eq(wanted, url);
}

/* A URL selects nobody by itself. */
static bool is_meant(const void *arg, const struct entry *entry)
{
    const struct verify_options *options = arg;

    if (!options->name && !options->url && !options->token)
        return true;
    if (options->name && str_eq(options->name, entry->name))
        return true;
    return options->token && url_matches(options->url, entry->url) &&
           str_eq(secret_reveal(options->token), secret_reveal(entry->token));
}

struct verification {
    const struct verify_options *options;
    char system_id[SYSTEM_ID_SIZE];
    size_t removed; /* by GitLab */
};

static int verify(void *arg, const struct entry *entry)
{
    struct verification *verification = arg;
    const struct runners_options *options = &verification->options->runners;
    auto_answer struct gitlab_answer answer = { 0 };
    struct coordinator_host host;

    runners_host(entry, &host);
    if (runners_verify(&host, secret_reveal(entry->token), verification->system_id, &answer) != 403)
        return 0;
    verification->removed++;
    return verification->options->removes ? runners_remove(options->config, entry) : 0;
}

static int verify_meant(struct verification *verification, const struct entries *entries)
{
    const struct verify_options *options = verification->options;
    const struct entry *first = NULL;
    size_t failed;

    if ((options->name || options->url || options->token) &&
        runners_count(entries, is_meant, options, &first) == 0) {
        log_error("no runner matches the filtering parameters%s",
                  options->url && !options->token ? "; --url counts only beside --token" : "");
        return -ENOENT;
    }
    failed = runners_each(entries, is_meant, options, verify, verification);
    if (verification->removed == 0 || options->removes)
        return failed > 0 ? -EIO : 0;
    log_error("Failed to verify runners");
    return -EIO;
}

int cli_verify(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct verify_options options = { 0 };
    struct verification verification = { .options = &options };
    autoentries struct entries entries = { 0 };
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("verify", &options.runners) < 0)
        return 2;
    if (runners_load(&options.runners, &entries) < 0 ||
        runners_system_id(&options.runners, verification.system_id) < 0 ||
        verify_meant(&verification, &entries) < 0)
        return 1;
    return 0;
}
