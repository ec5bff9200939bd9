/* core/cli/register_options.c - the options of `flotilla register`, which are GitLab Runner's, and the variables of the
 * environment that stand for them. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/register.h"

#define NUMBER_MAX INT64_C(1000000000)

enum option_kind { OWNED, TEXT, NUMBER, TRUTH, TOKEN, TOKEN_FILE };

struct row {
    const char *name, *variable; /* of the environment; NULL = none */
    char letter;                 /* 0 = none */
    enum option_kind kind;
    size_t offset;
};

#define AT(field) offsetof(struct register_options, field)

static const struct row rows[] = {
    { "url", "CI_SERVER_URL", 'u', OWNED, AT(url) },
    { "token", "CI_SERVER_TOKEN", 't', TOKEN, AT(token) },
    { "token-file", NULL, 0, TOKEN_FILE, AT(token) },
    { "registration-token", "REGISTRATION_TOKEN", 'r', TOKEN, AT(registration_token) },
    { "name", "RUNNER_NAME", 0, OWNED, AT(name) },
    { "description", "REGISTER_DESCRIPTION", 0, OWNED, AT(name) },
    { "executor", "RUNNER_EXECUTOR", 0, OWNED, AT(executor) },
    { "tag-list", "RUNNER_TAG_LIST", 0, OWNED, AT(tags) },
    { "maintenance-note", "REGISTER_MAINTENANCE_NOTE", 0, OWNED, AT(maintenance_note) },
    { "access-level", "REGISTER_ACCESS_LEVEL", 0, TEXT, AT(access_level) },
    { "maximum-timeout", "REGISTER_MAXIMUM_TIMEOUT", 0, NUMBER, AT(maximum_timeout_s) },
    { "template-config", "TEMPLATE_CONFIG_FILE", 0, TEXT, AT(template_config) },
    { "run-untagged", "REGISTER_RUN_UNTAGGED", 0, TRUTH, AT(run_untagged) },
    { "locked", "REGISTER_LOCKED", 0, TRUTH, AT(locked) },
    { "paused", "REGISTER_PAUSED", 0, TRUTH, AT(paused) },
    { "non-interactive", "REGISTER_NON_INTERACTIVE", 'n', TRUTH, AT(silent) },
    { "leave-runner", "REGISTER_LEAVE_RUNNER", 0, TRUTH, AT(leaves_runner) },
    { "limit", "RUNNER_LIMIT", 0, NUMBER, AT(limit) },
    { "request-concurrency", "RUNNER_REQUEST_CONCURRENCY", 0, NUMBER, AT(request_concurrency) },
    { "output-limit", "RUNNER_OUTPUT_LIMIT", 0, NUMBER, AT(output_limit) },
    { "shell", "RUNNER_SHELL", 0, TEXT, AT(shell) },
    { "builds-dir", "RUNNER_BUILDS_DIR", 0, TEXT, AT(builds_dir) },
    { "cache-dir", "RUNNER_CACHE_DIR", 0, TEXT, AT(cache_dir) },
    { "clone-url", "CLONE_URL", 0, TEXT, AT(clone_url) },
    { "tls-ca-file", "CI_SERVER_TLS_CA_FILE", 0, TEXT, AT(tls_ca_file) },
    { "tls-cert-file", "CI_SERVER_TLS_CERT_FILE", 0, TEXT, AT(tls_cert_file) },
    { "tls-key-file", "CI_SERVER_TLS_KEY_FILE", 0, TEXT, AT(tls_key_file) },
};
#define FIRST_ROW 1000 /* what getopt answers for rows[0] */

static void usage(void)
{
    (void) printf(
        "Usage: flotilla register [OPTIONS]\n"
        "Makes a runner known to GitLab and writes its [[runners]] entry into the configuration.\n"
        "Asks for what no option says, unless --non-interactive is there. A token is better given\n"
        "by --token-file or the environment than by --token, which others can see for a moment.\n"
        "\n"
        "  -u, --url URL                    of GitLab [CI_SERVER_URL]\n"
        "  -t, --token TOKEN                of a runner that was made at GitLab [CI_SERVER_TOKEN]\n"
        "      --token-file FILE            the same from a file\n"
        "  -r, --registration-token TOKEN   makes a runner, where GitLab still allows that\n"
        "                                   [REGISTRATION_TOKEN]\n"
        "      --name, --description NAME   the host's name unless given [RUNNER_NAME]\n"
        "      --executor instance          the only one there is [RUNNER_EXECUTOR]\n"
        "      --template-config FILE       one [[runners]] with what else the entry is to have\n"
        "                                   [TEMPLATE_CONFIG_FILE]\n"
        "  -n, --non-interactive            asks nothing [REGISTER_NON_INTERACTIVE]\n"
        "      --leave-runner               does not unregister again when it fails or is\n"
        "                                   interrupted [REGISTER_LEAVE_RUNNER]\n"
        "\n"
        "With a registration token only:\n"
        "      --tag-list A,B               [RUNNER_TAG_LIST]\n"
        "      --run-untagged[=true|false]  true when there are no tags [REGISTER_RUN_UNTAGGED]\n"
        "      --locked[=true|false]        true unless given [REGISTER_LOCKED]\n"
        "      --paused[=true|false]        [REGISTER_PAUSED]\n"
        "      --access-level LEVEL         not_protected or ref_protected "
        "[REGISTER_ACCESS_LEVEL]\n"
        "      --maximum-timeout SECONDS    [REGISTER_MAXIMUM_TIMEOUT]\n"
        "      --maintenance-note TEXT      [REGISTER_MAINTENANCE_NOTE]\n"
        "\n"
        "For the entry: --limit, --request-concurrency, --output-limit, --shell, --builds-dir,\n"
        "--cache-dir, --clone-url, --tls-ca-file, --tls-cert-file, --tls-key-file\n"
        "\n" RUNNERS_HELP,
        cli_default_config());
}

static int parse_truth(const char *text, int *ret)
{
    static const char *const words[][3] = { { "false", "f", "0" }, { "true", "t", "1" } };

    for (int truth = 0; truth <= 1; truth++)
        for (size_t i = 0; i < ARRAY_LEN(words[truth]); i++)
            if (strcasecmp(text, words[truth][i]) == 0) {
                *ret = truth;
                return 0;
            }
    return -EINVAL;
}

static int take_secret(struct secret **at, struct secret *secret)
{
    secret_free(*at);
    *at = secret;
    return secret ? 0 : -EINVAL;
}

static int take_text(char **at, const char *value)
{
    free(*at);
    *at = mem_strdup(value);
    return *at ? 0 : -ENOMEM;
}

/* `from` names the option or the variable. */
static int take_value(struct register_options *options, const struct row *row, const char *from,
                      char *value)
{
    void *at = (char *) options + row->offset;

    switch (row->kind) {
    case OWNED:
        return take_text(at, value);
    case TEXT:
        *(const char **) at = value;
        return 0;
    case NUMBER:
        return parse_i64(value, 0, NUMBER_MAX, at) < 0
                   ? cli_misuse("register", "%s '%s' is no number from 0 up", from, value)
                   : 0;
    case TRUTH:
        return parse_truth(value ? value : "true", at) < 0
                   ? cli_misuse("register", "%s '%s' is neither true nor false", from, value)
                   : 0;
    case TOKEN:
        return take_secret(at, runners_take_secret(value));
    case TOKEN_FILE:
        return take_secret(at, runners_read_secret("register", from, value));
    }
    return 0;
}

static bool is_said(const struct register_options *options, const struct row *row)
{
    const void *at = (const char *) options + row->offset;

    return row->kind == NUMBER  ? *(const int64_t *) at != 0
           : row->kind == TRUTH ? *(const int *) at >= 0
                                : *(void *const *) at != NULL;
}

/* What the command line does not say. */
static int take_environment(struct register_options *options)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *value = rows[i].variable ? getenv(rows[i].variable) : NULL;
        int r;

        if (str_empty(value) || is_said(options, &rows[i]))
            continue;
        r = take_value(options, &rows[i], rows[i].variable, value);
        if (r < 0)
            return r;
    }
    return 0;
}

/* 1 when it is none. */
static int take_option(struct register_options *options, int c)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (c == FIRST_ROW + (int) i || (rows[i].letter && c == rows[i].letter)) {
            autofree char *from = mem_printf("--%s", rows[i].name);

            return take_value(options, &rows[i], from, optarg);
        }
    return !runners_take_option(&options->runners, c);
}

static void fill_table(struct option *table)
{
    static const struct option others[] = { RUNNERS_OPTIONS };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        table[i] = (struct option) { rows[i].name,
                                     rows[i].kind == TRUTH ? optional_argument : required_argument,
                                     NULL, FIRST_ROW + (int) i };
    memcpy(&table[ARRAY_LEN(rows)], others, sizeof(others));
}

static int check(const struct register_options *options)
{
    if (options->access_level && !str_eq(options->access_level, "not_protected") &&
        !str_eq(options->access_level, "ref_protected"))
        return cli_misuse("register",
                          "--access-level '%s' is neither not_protected nor ref_protected",
                          options->access_level);
    if (options->token && secret_len(options->token) == 0)
        return cli_misuse("register", "the token is empty");
    return 0;
}

int register_parse(int argc, char **argv, struct register_options *ret)
{
    struct option table[ARRAY_LEN(rows) + RUNNERS_OPTION_COUNT];
    int c, r;

    fill_table(table);
    ret->run_untagged = ret->locked = ret->paused = ret->silent = ret->leaves_runner = -1;
    while ((c = getopt_long(argc, argv, ":c:u:t:r:nh", table, NULL)) != -1) {
        if (c == 'h') {
            usage();
            return 1;
        }
        r = take_option(ret, c);
        if (r != 0)
            return r < 0 ? r : cli_wrong_option("register", c, argv);
    }
    if (optind < argc)
        return cli_misuse("register", "there is no argument '%s'", argv[optind]);
    r = take_environment(ret);
    return r < 0 ? r : check(ret);
}

void register_options_done(struct register_options *options)
{
    free(options->url);
    free(options->name);
    free(options->executor);
    free(options->tags);
    free(options->maintenance_note);
    secret_free(options->token);
    secret_free(options->registration_token);
}

const char *register_reserved_option(const struct register_options *options)
{
    return options->locked == 0                    ? "--locked"
           : options->access_level                 ? "--access-level"
           : options->run_untagged > 0             ? "--run-untagged"
           : options->maximum_timeout_s > 0        ? "--maximum-timeout"
           : options->paused > 0                   ? "--paused"
           : !str_empty(options->tags)             ? "--tag-list"
           : !str_empty(options->maintenance_note) ? "--maintenance-note"
                                                   : NULL;
}
