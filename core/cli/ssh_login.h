/* core/cli/ssh_login.h - what the system's ssh is told so that it logs in as the manager does; for ssh.c. Keys, passwords
 * and host keys lie in memory alone, which a process of ours keeps for as long as ssh runs. */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct ssh_login {
    char config[32];    /* for `ssh -F` */
    const char *target; /* the host of it to connect to */
};

/* Of the manager's answer (core/supervisor/enter.c). From here on the environment names what ssh is to ask for
 * passwords, and a process waits for the end of this one, whatever it has become by then. */
int ssh_login_prepare(json_t *answer, bool terminal, struct ssh_login *ret, struct error *err);

/* That ssh asks us for a password, which is what we were started for. */
bool ssh_login_is_asked(void);
int ssh_login_answer(int argc, char **argv);
