/* core/cli/ssh.c - `flotilla ssh`: a shell on an instance, in the directory of a job, in its VM, with what the manager
 * logs in with (core/supervisor/enter.c). The system's ssh does it, because it is what people know and what knows
 * terminals; ssh_login.c tells it how. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/ask.h"
#include "core/cli/ssh_login.h"

#define ENTER_TIMEOUT_MS 70000 /* the provider has a minute */

/* Before the job's first script there is no directory, and that is said by the shell. */
static void add_place(json_t *answer, struct buf *out)
{
    buf_add_str(out, "cd '");
    for (const char *at = ask_text(answer, "directory"); *at; at++)
        if (*at == '\'')
            buf_add_str(out, "'\\''");
        else
            buf_add_char(out, *at);
    buf_add_str(out, "'; ");
}

static bool has_place(json_t *answer)
{
    const char *shell = ask_text(answer, "shell");

    return *ask_text(answer, "directory") &&
           (str_empty(shell) || str_eq(shell, "bash") || str_eq(shell, "sh"));
}

/* For the instance's login shell; "" = that shell itself. */
static void add_command(json_t *answer, char *const *words, struct buf *out)
{
    bool placed = has_place(answer);

    if (placed)
        add_place(answer, out);
    for (size_t i = 0; words && words[i]; i++)
        buf_addf(out, "%s%s", i > 0 ? " " : "", words[i]);
    if (placed && !words)
        buf_add_str(out, "exec \"${SHELL:-/bin/sh}\" -l");
}

static int become_ssh(const struct ssh_login *login, const char *command)
{
    const char *const argv[] = { "ssh",         "-F", login->config,
                                 login->target, "--", *command ? command : NULL,
                                 NULL };

    (void) execvp("ssh", (char *const *) (uintptr_t) argv);
    if (errno == ENOENT)
        cli_say("flotilla: there is no ssh on this machine; install OpenSSH's client "
                "(openssh-client)");
    else
        cli_say("flotilla: ssh cannot be started: %s", strerror(errno));
    return 1;
}

static int enter(const struct ask_options *options, json_t *answer)
{
    bool terminal = isatty(STDIN_FILENO) == 1 && (!options->command || isatty(STDOUT_FILENO) == 1);
    autobuf struct buf command = BUF_INIT;
    struct ssh_login login = { 0 };
    struct error err = { 0 };
    int r;

    add_command(answer, options->command, &command);
    r = buf_error(&command);
    if (r < 0)
        (void) error_set(&err, r, "out of memory");
    else
        r = ssh_login_prepare(answer, terminal, &login, &err);
    if (r < 0) {
        cli_say("flotilla: %s", err.message);
        return 1;
    }
    if (*ask_text(answer, "directory") && !has_place(answer))
        cli_say("flotilla: the job works in %s", ask_text(answer, "directory"));
    return become_ssh(&login, buf_str(&command));
}

int cli_ssh(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla ssh JOB|INSTANCE [--config FILE] [--state-dir DIR] [-- "
                "COMMAND...]\n"
                "Opens a shell on an instance, or where a job works: in its directory, in its VM.\n"
                "With COMMAND runs that instead, and ends with its status. Logs in as the manager\n"
                "does, which notes it in its log.\n",
        .missing = "the number of a job or the id of an instance is missing",
        .takes_word = true,
        .takes_command = true,
        .no_json = true,
    };
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("enter"), *answer = NULL;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    (void) json_add_str(request, "name", options.word);
    if (ask_manager(&options, request, ENTER_TIMEOUT_MS, &answer) < 0)
        return 1;
    return enter(&options, answer);
}
