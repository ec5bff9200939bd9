/* core/cli/cli.h - the subcommands of flotilla, one file each, and what they share. */
#pragma once

#include "core/config/config.h"

struct cli_command {
    const char *name;
    const char *summary;               /* NULL = hidden: started by flotilla itself */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand; returns the exit status */
};

int cli_run(int argc, char **argv);         /* run.c */
int cli_ssh(int argc, char **argv);         /* ssh.c */
int cli_status(int argc, char **argv);      /* status.c */
int cli_explain(int argc, char **argv);     /* explain.c */
int cli_fleet(int argc, char **argv);       /* fleet.c */
int cli_audit(int argc, char **argv);       /* audit.c */
int cli_doctor(int argc, char **argv);      /* doctor.c */
int cli_drain(int argc, char **argv);       /* drain.c */
int cli_undrain(int argc, char **argv);     /* drain.c */
int cli_hold(int argc, char **argv);        /* hold.c */
int cli_release(int argc, char **argv);     /* hold.c */
int cli_remove(int argc, char **argv);      /* drain.c */
int cli_logs(int argc, char **argv);        /* logs.c */
int cli_reload(int argc, char **argv);      /* reload.c */
int cli_plugin(int argc, char **argv);      /* plugin.c */
int cli_exec(int argc, char **argv);        /* exec.c */
int cli_coordinator(int argc, char **argv); /* coordinator.c */
int cli_config(int argc, char **argv);      /* config.c */
int cli_migrate(int argc, char **argv);     /* migrate.c */
int cli_policy(int argc, char **argv);      /* policy.c */
int cli_simulate(int argc, char **argv);    /* simulate.c */
int cli_register(int argc, char **argv);    /* register.c */
int cli_verify(int argc, char **argv);      /* verify.c */
int cli_run_single(int argc, char **argv);  /* run_single.c */
int cli_unregister(int argc, char **argv);  /* unregister.c */
int cli_list(int argc, char **argv);        /* list.c */
int cli_reset_token(int argc, char **argv); /* reset_token.c */

/* A line on stderr, safe for a terminal whatever names are in it. */
void cli_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Says on stderr what is wrong with the command line, and where help is. Both return -EINVAL. */
int cli_misuse(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What getopt_long() answered with ':' (a value is missing) or '?'; its short options begin with ':'. */
int cli_wrong_option(const char *command, int c, char *const *argv);

/* Reads the configuration and prints its findings, from the severity `least` on, on stderr; negative when it can't
 * be used. load_config.c */
int cli_load_config(const char *file, enum config_severity least, struct config **ret);
/* CONFIG_FILE of the environment; else /etc/flotilla/config.toml for root, ~/.flotilla/config.toml for others; where
 * that is not there, GitLab Runner's own file if that is. */
const char *cli_default_config(void);
/* Our own binary, for the processes that it starts. */
const char *cli_self_exe(void);
