/* core/cli/register_options.c - the options of `flotilla register`, which are GitLab Runner's, and the variables of the
 * environment that stand for them. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/cli/register.h"
#include "core/cli/rows.h"

#define AT(field) offsetof(struct register_options, field)

static const struct row row_items[] = {
    { "url", "CI_SERVER_URL", 'u', ROW_OWNED, AT(url) },
    { "token", "CI_SERVER_TOKEN", 't', ROW_SECRET, AT(token) },
    { "token-file", NULL, 0, ROW_SECRET_FILE, AT(token) },
    { "registration-token", "REGISTRATION_TOKEN", 'r', ROW_SECRET, AT(registration_token) },
    { "name", "RUNNER_NAME", 0, ROW_OWNED, AT(name) },
    { "description", "REGISTER_DESCRIPTION", 0, ROW_OWNED, AT(name) },
    { "executor", "RUNNER_EXECUTOR", 0, ROW_OWNED, AT(executor) },
    { "tag-list", "RUNNER_TAG_LIST", 0, ROW_OWNED, AT(tags) },
    { "maintenance-note", "REGISTER_MAINTENANCE_NOTE", 0, ROW_OWNED, AT(maintenance_note) },
    { "access-level", "REGISTER_ACCESS_LEVEL", 0, ROW_TEXT, AT(access_level) },
    { "maximum-timeout", "REGISTER_MAXIMUM_TIMEOUT", 0, ROW_NUMBER, AT(maximum_timeout_s) },
    { "template-config", "TEMPLATE_CONFIG_FILE", 0, ROW_TEXT, AT(template_config) },
    { "run-untagged", "REGISTER_RUN_UNTAGGED", 0, ROW_TRUTH, AT(run_untagged) },
    { "locked", "REGISTER_LOCKED", 0, ROW_TRUTH, AT(locked) },
    { "paused", "REGISTER_PAUSED", 0, ROW_TRUTH, AT(paused) },
    { "non-interactive", "REGISTER_NON_INTERACTIVE", 'n', ROW_TRUTH, AT(silent) },
    { "leave-runner", "REGISTER_LEAVE_RUNNER", 0, ROW_TRUTH, AT(leaves_runner) },
    { "limit", "RUNNER_LIMIT", 0, ROW_NUMBER, AT(limit) },
    { "request-concurrency", "RUNNER_REQUEST_CONCURRENCY", 0, ROW_NUMBER, AT(request_concurrency) },
    { "output-limit", "RUNNER_OUTPUT_LIMIT", 0, ROW_NUMBER, AT(output_limit) },
    { "shell", "RUNNER_SHELL", 0, ROW_TEXT, AT(shell) },
    { "builds-dir", "RUNNER_BUILDS_DIR", 0, ROW_TEXT, AT(builds_dir) },
    { "cache-dir", "RUNNER_CACHE_DIR", 0, ROW_TEXT, AT(cache_dir) },
    { "clone-url", "CLONE_URL", 0, ROW_TEXT, AT(clone_url) },
    { "tls-ca-file", "CI_SERVER_TLS_CA_FILE", 0, ROW_TEXT, AT(tls_ca_file) },
    { "tls-cert-file", "CI_SERVER_TLS_CERT_FILE", 0, ROW_TEXT, AT(tls_cert_file) },
    { "tls-key-file", "CI_SERVER_TLS_KEY_FILE", 0, ROW_TEXT, AT(tls_key_file) },
};

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
    static const struct rows rows = { "register", usage, row_items, ARRAY_LEN(row_items) };
    int r;

    ret->run_untagged = ret->locked = ret->paused = ret->silent = ret->leaves_runner = -1;
    r = rows_parse(&rows, argc, argv, ret);
    return r == 0 ? check(ret) : r;
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
