/* core/cli/verify.c - `flotilla verify`: does GitLab still know the runners of the configuration
 * (coordinator-protocol.md 1.4)? Only its 403 says no; whoever did not answer so stays. */
#include <stdio.h>

#include "core/base/str.h"
#include "core/base/token.h"
#include "core/cli/runners.h"

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
    static const struct option options[] = { { "name", required_argument, NULL, 'n' },
                                             { "url", required_argument, NULL, 'u' },
                                             { "token", required_argument, NULL, 't' },
                                             { "delete", no_argument, NULL, 'X' },
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
        else if (c == 'X')
            ret->removes = true;
        else if (!runners_take_option(&ret->runners, c))
            return cli_wrong_option("verify", c, argv);
    }
    if (optind < argc)
        return cli_misuse("verify", "there is no argument '%s'", argv[optind]);
    return ret->url && !ret->token ? cli_misuse("verify", "--url needs --token beside it") : 0;
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

static bool is_selected(const struct verify_options *options, const struct entry *entry)
{
    if (!options->name && !options->url && !options->token)
        return true;
    if (options->name && str_eq(options->name, entry->name))
        return true;
    return options->token && url_matches(options->url, entry->url) &&
           str_eq(secret_reveal(options->token), secret_reveal(entry->token));
}

/* False when GitLab says that there is no such runner. */
static bool verify(const struct entry *entry, const char *system_id)
{
    auto_answer struct gitlab_answer answer = { 0 };
    struct coordinator_host host;
    char token[TOKEN_SHORT_SIZE];
    struct error err = { 0 };

    token_shorten(secret_reveal(entry->token), token);
    auto_log_scope struct log_scope scope = log_scope_open("runner", "%.8s", token);
    runners_host(entry, &host);
    if (gitlab_verify(&host, secret_reveal(entry->token), system_id, &answer, &err) < 0)
        log_error("Verifying runner... client error: %s", err.message);
    else if (answer.status == 200)
        log_info("Verifying runner... is valid");
    else if (answer.status == 403)
        log_error("Verifying runner... is removed");
    else
        log_error("Verifying runner... failed: %s", answer.message);
    return answer.status != 403;
}

static int remove_entry(const char *config, const struct entry *entry)
{
    struct error err = { 0 };
    int r = runners_remove(config, entry, &err);

    if (r < 0)
        log_error("Failed to update %s: %s", config, err.message);
    else
        log_info("Updated %s", config);
    return r;
}

static int verify_selected(const struct verify_options *options, const struct entries *entries,
                           const char *system_id)
{
    size_t selected = 0, removed = 0;
    int r = 0;

    for (size_t i = 0; i < entries->n; i++) {
        if (!is_selected(options, &entries->items[i]))
            continue;
        selected++;
        if (verify(&entries->items[i], system_id))
            continue;
        removed++;
        if (options->removes && remove_entry(options->runners.config, &entries->items[i]) < 0)
            r = -1;
    }
    if (selected == 0 && (options->name || options->url || options->token)) {
        log_error("no runner matches the filtering parameters");
        r = -1;
    } else if (removed > 0 && !options->removes) {
        log_error("Failed to verify runners");
        r = -1;
    }
    return r;
}

int cli_verify(int argc, char **argv)
{
    __attribute__((cleanup(options_done))) struct verify_options options = { 0 };
    autoentries struct entries entries = { 0 };
    char system_id[SYSTEM_ID_SIZE];
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("verify", &options.runners) < 0)
        return 2;
    if (runners_load(&options.runners, &entries) < 0 ||
        runners_system_id(&options.runners, system_id) < 0 ||
        verify_selected(&options, &entries, system_id) < 0)
        return 1;
    return 0;
}
