/* core/cli/register.c - `flotilla register`, as GitLab Runner's (coordinator-protocol.md 1.3): a runner is made known to
 * GitLab, or its token is looked at, and its entry goes into the configuration.
 *
 * Whatever can be wrong here is looked for before GitLab hears of it. Who is interrupted afterwards, or cannot write the
 * entry, unregisters again: a runner that nobody knows would wait for jobs at GitLab for ever. */
#include "core/cli/register.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "register"
#include "core/base/log.h"

#define EXECUTOR "instance"

static volatile sig_atomic_t interrupted; /* by which signal; 0 = not */

static void on_interrupt(int signum)
{
    interrupted = signum;
}

/* A second one ends the command at once. Reading from the terminal is not taken up again. */
static void watch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int) SA_RESETHAND };

    (void) sigemptyset(&action.sa_mask);
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);
}

struct registration {
    struct register_options *options;
    char system_id[SYSTEM_ID_SIZE];
    struct coordinator_host host;
    struct secret *token; /* that the entry gets */
    bool takes_back;      /* there is something new at GitLab: a runner, or this manager of one */
    int64_t id, expires_ms;
};

static void registration_done(struct registration *registration)
{
    secret_free(registration->token);
}

static void default_name(struct register_options *options)
{
    char host[65] = "";

    if (options->name)
        return;
    (void) gethostname(host, sizeof(host) - 1);
    options->name = mem_strdup(host);
}

/* No manager can use a file with two entries for one runner. `id` is 0 before GitLab has told it; a token that was
 * renewed is another, and the id tells. A file that cannot be read is told by others. */
static int check_is_new(const struct registration *registration, const struct secret *token,
                        int64_t id)
{
    const struct register_options *options = registration->options;
    autoentries struct entries entries = { 0 };

    (void) entries_load(options->runners.config, &entries, NULL);
    for (size_t i = 0; i < entries.n; i++) {
        const struct entry *entry = &entries.items[i];

        if (!str_eq(entry->url, options->url))
            continue;
        if (str_eq(secret_reveal(entry->token), secret_reveal(token))) {
            log_error("%s has this runner already, as '%s'; `flotilla verify` asks GitLab about it",
                      options->runners.config, entry->name);
            return -EEXIST;
        }
        if (id > 0 && entry->id == id) {
            log_error("%s has this runner already, as '%s' with another token; put this one there",
                      options->runners.config, entry->name);
            return -EEXIST;
        }
    }
    return 0;
}

static int take_verified(struct registration *registration, const struct secret *token,
                         const struct gitlab_answer *answer)
{
    if (check_is_new(registration, token, answer->id) < 0)
        return -EEXIST;
    registration->token = secret_dup(token);
    /* Else what GitLab knows is the whole runner, and others'. */
    registration->takes_back = coordinator_token_is_made(secret_reveal(token));
    registration->id = answer->id;
    registration->expires_ms = answer->expires_ms;
    return registration->token ? 0 : -ENOMEM;
}

/* The token of a runner that is there already. One that people made at GitLab must be known by its id. */
static int verify(struct registration *registration, const struct secret *token)
{
    bool made = coordinator_token_is_made(secret_reveal(token));
    auto_answer struct gitlab_answer answer = { 0 };

    if (check_is_new(registration, token, 0) < 0)
        return -EEXIST;
    if (runners_verify(&registration->host, secret_reveal(token), registration->system_id,
                       &answer) == 200) {
        if (!made || answer.id > 0)
            return take_verified(registration, token, &answer);
        log_error("GitLab did not say which runner it is");
    }
    log_error("Failed to verify the runner");
    return -EACCES;
}

static int make_runner(struct registration *registration)
{
    const struct register_options *options = registration->options;
    const struct coordinator_registration wanted = {
        .token = secret_reveal(options->registration_token),
        .description = options->name,
        .maintenance_note = options->maintenance_note,
        .tags = options->tags,
        .access_level = options->access_level,
        .maximum_timeout_s = options->maximum_timeout_s,
        .run_untagged = options->run_untagged > 0 || str_empty(options->tags),
        .locked = options->locked != 0,
        .paused = options->paused > 0,
    };
    auto_answer struct gitlab_answer answer = { 0 };
    struct error err = { 0 };

    if (gitlab_register(&registration->host, &wanted, &answer, &err) < 0) {
        log_error("Registering runner... client error: %s", err.message);
    } else if (answer.status == 403) {
        log_error("Registering runner... forbidden (check registration token)");
    } else if (answer.status == 410) {
        log_error(
            "Registering runner... failed: this GitLab takes no registration tokens any more; "
            "make the runner there and give its token by --token");
    } else if (answer.status != 201) {
        log_error("Registering runner... failed: %s", answer.message);
    } else {
        log_info("Registering runner... succeeded");
        registration->token = take_ptr(answer.token);
        registration->takes_back = true;
        registration->id = answer.id;
        registration->expires_ms = answer.expires_ms;
        return 0;
    }
    log_error("Failed to register the runner");
    return -EACCES;
}

/* A runner that was made at GitLab: all but its name and how it runs jobs is said there. */
static int use_made_token(struct registration *registration, const struct secret *token,
                          bool as_registration_token)
{
    struct register_options *options = registration->options;
    const char *reserved = register_reserved_option(options);
    int r;

    if (reserved && !as_registration_token) {
        log_error("%s is said at GitLab for a runner whose token begins with glrt-, and cannot be "
                  "said here; leave it out",
                  reserved);
        return -EINVAL;
    }
    if (reserved)
        log_warning("%s is said at GitLab for a runner whose token begins with glrt-, ignoring",
                    reserved);
    r = verify(registration, token);
    return r < 0 ? r
                 : register_ask(options, "name",
                                "Enter a name for the runner. This is stored only in the local "
                                "config.toml file:",
                                false, &options->name);
}

static int use_other_token(struct registration *registration)
{
    log_info("Token specified trying to verify runner...");
    log_warning("If you want to register use the '-r' instead of '-t'.");
    return verify(registration, registration->options->token);
}

static int ask_and_register(struct registration *registration)
{
    struct register_options *options = registration->options;
    int r =
        register_ask(options, "name", "Enter a description for the runner:", false, &options->name);

    if (r == 0)
        r = register_ask(options, "tag-list", "Enter tags for the runner (comma-separated):", true,
                         &options->tags);
    if (r == 0)
        r = register_ask(options, "maintenance-note",
                         "Enter optional maintenance note for the runner:", true,
                         &options->maintenance_note);
    return r == 0 ? make_runner(registration) : r;
}

static int obtain_token(struct registration *registration)
{
    struct register_options *options = registration->options;
    int r;

    if (options->token)
        return coordinator_token_is_made(secret_reveal(options->token))
                   ? use_made_token(registration, options->token, false)
                   : use_other_token(registration);
    r = register_ask_secret(options, "registration-token",
                            "Enter the registration token:", &options->registration_token);
    if (r < 0)
        return r;
    return coordinator_token_is_made(secret_reveal(options->registration_token))
               ? use_made_token(registration, options->registration_token, true)
               : ask_and_register(registration);
}

static int ask_executor(struct register_options *options)
{
    for (;;) {
        int r;

        if (!options->executor)
            options->executor = mem_strdup(EXECUTOR);
        r = register_ask(options, "executor", "Enter an executor: " EXECUTOR ":", false,
                         &options->executor);

        if (r < 0 || str_eq(options->executor, EXECUTOR))
            return r;
        log_error("Invalid executor specified: flotilla runs jobs on instances, so it is "
                  "'" EXECUTOR "', not '%s'",
                  options->executor);
        if (options->silent > 0)
            return -EINVAL;
        free(options->executor);
        options->executor = NULL;
    }
}

static void unregister_again(const struct registration *registration)
{
    auto_answer struct gitlab_answer answer = { 0 };
    struct error err = { 0 };

    if (!registration->token || !registration->takes_back ||
        registration->options->leaves_runner > 0)
        return;
    if (gitlab_unregister(&registration->host, secret_reveal(registration->token),
                          registration->system_id, &answer, &err) < 0 ||
        answer.status != 204)
        log_error("Unregistering runner from GitLab failed: %s; remove it there",
                  *err.message ? err.message : answer.message);
    else
        log_info("Unregistering runner from GitLab succeeded");
}

static int write_entry(const struct registration *registration)
{
    const struct register_options *options = registration->options;
    const struct register_result result = { .token = secret_reveal(registration->token),
                                            .id = registration->id,
                                            .obtained_ms = clock_wall_ms(&clock_system),
                                            .expires_ms = registration->expires_ms };
    struct error err = { 0 };
    int r = register_write(options, &result, &err);

    if (r < 0) {
        log_error("%s", err.message);
        return r;
    }
    log_info("Runner registered successfully. Feel free to start it, but if it's running already "
             "the config should be automatically reloaded!");
    log_info("Configuration (with the authentication token) was saved in \"%s\"",
             options->runners.config);
    if (!options->template_config)
        log_warning(
            "no manager can use that file before the entry's [runners.autoscaler] says where "
            "its jobs run: it is only sketched; look at it with `flotilla config check`");
    return 0;
}

static int register_runner(struct registration *registration)
{
    struct register_options *options = registration->options;
    int r = options->silent > 0 ? ask_executor(options) : 0; /* before GitLab hears of it */

    if (r == 0)
        r = obtain_token(registration);
    if (r == 0 && !interrupted && options->silent <= 0)
        r = ask_executor(options);
    if (r == 0 && !interrupted)
        r = write_entry(registration);
    if (r == 0 && !interrupted)
        return 0;
    if (interrupted)
        log_error("RECEIVED SIGNAL: %s", strsignal(interrupted));
    if (r < 0 || interrupted)
        unregister_again(registration);
    return -1;
}

static int prepare(struct registration *registration)
{
    struct register_options *options = registration->options;
    struct error err = { 0 };

    if (register_read_template(options, &err) < 0 ||
        runners_check_config(options->runners.config, &err) < 0) {
        log_error("%s", err.message);
        return -1;
    }
    default_name(options);
    if (register_ask(options, "url",
                     "Enter the GitLab instance URL (for example, https://gitlab.com/):", false,
                     &options->url) < 0 ||
        runners_system_id(&options->runners, registration->system_id) < 0)
        return -1;
    registration->host = (struct coordinator_host) { .url = options->url,
                                                     .tls_ca_file = options->tls_ca_file,
                                                     .tls_cert_file = options->tls_cert_file,
                                                     .tls_key_file = options->tls_key_file };
    return 0;
}

int cli_register(int argc, char **argv)
{
    __attribute__((cleanup(register_options_done))) struct register_options options = { 0 };
    __attribute__((cleanup(registration_done))) struct registration registration = { 0 };
    int r = register_parse(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (runners_begin("register", &options.runners) < 0)
        return 2;
    registration.options = &options;
    if (prepare(&registration) < 0)
        return 1;
    if (options.leaves_runner <= 0)
        watch_interrupts();
    return register_runner(&registration) < 0 ? 1 : 0;
}
