/* core/job/connect/ssh_exit.c - see the header. */
#include "core/job/connect/ssh_exit.h"

#include <signal.h>
#include <stdio.h>

#include "core/base/str.h"

void ssh_exit_status(struct remote_exit *exit, uint32_t status)
{
    if (exit->has_status)
        return;
    exit->has_status = true;
    /* The low byte is what Unix has; what is not 0 is no success, whatever its low byte. */
    exit->status = (int) (status & 0xff);
    if (exit->status == 0 && status != 0)
        exit->status = 255;
}

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = { { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },
                    { "HUP", SIGHUP },   { "ILL", SIGILL },   { "INT", SIGINT },
                    { "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "QUIT", SIGQUIT },
                    { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "BUS", SIGBUS },
                    { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "XCPU", SIGXCPU },
                    { "SYS", SIGSYS } };

    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (str_eq(name, signals[i].name))
            return signals[i].number;
    return 0;
}

void ssh_exit_signal(struct remote_exit *exit, const char *name)
{
    if (exit->has_status)
        return;
    exit->has_status = true;
    exit->status = 128 + signal_number(name ? name : "");
    (void) snprintf(exit->signal, sizeof(exit->signal), "%.15s", name ? name : "");
}
