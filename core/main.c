/* core/main.c - flotilla: a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/cli/as_runner.h"
#include "core/cli/cli.h"
#include "core/cli/ssh_login.h"
#include "core/job/probe.h"
#include "core/provider/client.h"
#include "core/supervisor/spawner.h"
#include "core/transfer/process.h"

#define LINK_FD 3 /* docs/design/processes.md */

/* The hidden ones are told by whom they talk to. */
static bool called_by_hand(const char *command)
{
    struct stat st;

    if (fstat(LINK_FD, &st) == 0 && S_ISSOCK(st.st_mode))
        return false;
    (void) fprintf(stderr,
                   "flotilla: '%s' is started by flotilla itself; `flotilla --help` lists the "
                   "commands\n",
                   command);
    return true;
}

static int run_spawner(int argc, char **argv)
{
    return called_by_hand(argv[0]) ? 2 : spawner_main(argc < 2 || !str_eq(argv[1], "--no-seccomp"));
}

static int run_provider(int argc, char **argv)
{
    (void) argc;
    return called_by_hand(argv[0]) ? 2 : provider_worker_main();
}

static int run_probe(int argc, char **argv)
{
    (void) argc;
    return called_by_hand(argv[0]) ? 2 : probe_main();
}

static int run_transfer(int argc, char **argv)
{
    (void) argc;
    return called_by_hand(argv[0]) ? 2 : transfer_main();
}

static const struct cli_command commands[] = {
    { "run", "take jobs from GitLab and run them on autoscaled instances", cli_run },
    { "run-single", "run the jobs of one runner, one after the other, until there were enough",
      cli_run_single },
    { "register", "make a runner known to GitLab and write its entry into config.toml",
      cli_register },
    { "verify", "ask GitLab whether it still knows the runners of config.toml", cli_verify },
    { "unregister", "take a runner out of GitLab and out of config.toml", cli_unregister },
    { "list", "list the runners of config.toml", cli_list },
    { "reset-token", "get a new token for a runner, in GitLab and in config.toml",
      cli_reset_token },
    { "exec", "run the pipeline of this directory on instances of this machine", cli_exec },
    { "coordinator", "give the jobs of this directory's pipeline to any runner", cli_coordinator },
    { "status", "show runners, instances and jobs of the running manager", cli_status },
    { "explain", "say why there are, or are not, instances and jobs", cli_explain },
    { "fleet", "show each instance with its jobs, age and cost", cli_fleet },
    { "logs", "print the log of a job that runs, as it grows", cli_logs },
    { "ssh", "open a shell on an instance, or where a job works", cli_ssh },
    { "audit", "compare the clouds with the ledger", cli_audit },
    { "drain", "let an instance or a runner take no new jobs", cli_drain },
    { "undrain", "take a drained instance or runner back", cli_undrain },
    { "remove", "remove an instance", cli_remove },
    { "hold", "let an instance, or that of a job, stay to be looked at", cli_hold },
    { "release", "end a hold", cli_release },
    { "reload", "let the running manager read its configuration again, or show the difference",
      cli_reload },
    { "doctor", "look for what is wrong, and say what to do about it", cli_doctor },
    { "config", "check a config.toml and say what is wrong in it, and where", cli_config },
    { "migrate", "print a configuration of GitLab Runner as one for flotilla", cli_migrate },
    { "policy", "show which policy holds, until when, and what it asks for", cli_policy },
    { "simulate", "say how long jobs would wait and what instances would cost", cli_simulate },
    { "plugin", "list plugins, show one, check one against the contract, try a configured one",
      cli_plugin },
    { "spawner", NULL, run_spawner },
    { "provider", NULL, run_provider },
    { "probe", NULL, run_probe },
    { "transfer", NULL, run_transfer },
};

static void usage(FILE *out)
{
    (void) fprintf(out, "Usage: flotilla COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].summary)
            (void) fprintf(out, "  %-11s  %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(out,
                   "\n`flotilla COMMAND --help` says more. `flotilla --version` names this one.\n");
}

int main(int argc, char **argv)
{
    int status;

    fs_keep_private();
    if (fs_open_std_null() < 0)
        return 125;
    if (as_runner_is_called(argv[0]) && as_runner_prepare(&argc, &argv, &status))
        return status;
    if (ssh_login_is_asked())
        return ssh_login_answer(argc, argv);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
        usage(stdout);
        return 0;
    }
    if (str_eq(argv[1], "--version")) {
        (void) printf("flotilla %s\n", FLOTILLA_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_eq(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    (void) fprintf(stderr, "flotilla: '%s' is no command; `flotilla --help` lists them\n", argv[1]);
    return 2;
}
