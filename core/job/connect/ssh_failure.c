/* core/job/connect/ssh_failure.c - see the header. */
#include "core/job/connect/ssh_failure.h"

#include <errno.h>

#include "core/base/str.h"

int ssh_failed_late(struct error *err, const char *where, bool greeted)
{
    if (!greeted)
        return error_set(err, -ETIMEDOUT,
                         "SSH handshake with %s: connected, but no SSH greeting came in time; the "
                         "instance hangs or still boots, or protocol_port is not sshd's",
                         where);
    return error_set(err, -ETIMEDOUT,
                     "SSH handshake with %s: the instance greets but does not answer in time",
                     where);
}

int ssh_failed_greeting(struct error *err, const char *where, const char *why)
{
    return error_set(err, -EPROTO,
                     "SSH handshake with %s: what answers there does not greet as an SSH server "
                     "does (%s); check protocol_port",
                     where, why);
}

int ssh_failed_auth(struct error *err, const struct remote_options *options, const char *takes)
{
    bool has_key = !str_empty(options->private_key), has_password = !str_empty(options->password);

    if (!has_key && !has_password)
        return error_set(err, -EACCES,
                         "SSH authentication as '%s' was refused with neither key nor password "
                         "configured",
                         options->username);
    return error_set(
        err, -EACCES,
        "SSH authentication as '%s' was refused with %s%s%s; the instance takes %s: "
        "check username%s%s",
        options->username, has_key ? "the key" : "", has_key && has_password ? " and " : "",
        has_password ? "the password" : "", str_empty(takes) ? "nothing we know" : takes,
        has_key ? " and its authorized_keys" : "", has_password ? " and password" : "");
}

int ssh_failed_auth_late(struct error *err, const struct remote_options *options)
{
    return error_set(err, -ETIMEDOUT,
                     "SSH authentication as '%s': the instance does not decide in time",
                     options->username);
}

int ssh_failed_lost(struct error *err, const char *doing, const char *why)
{
    return error_set(err, -EPIPE, "%s: the connection to the instance is lost%s%s", doing,
                     str_empty(why) ? "" : ": ", why ? why : "");
}

int ssh_failed_channel(struct error *err, const char *command, const char *why)
{
    if (command)
        return error_set(err, -EPIPE,
                         "the instance refuses to run '%s' (%s); check the account's shell and "
                         "sshd's ForceCommand",
                         command, why);
    return error_set(err, -EPIPE,
                     "the instance refuses another channel (%s); sshd's MaxSessions must be at "
                     "least 2",
                     why);
}

int ssh_failed_channel_late(struct error *err)
{
    return error_set(err, -EPIPE, "opening a channel: the instance does not answer in time");
}

int ssh_failed_no_status(struct error *err)
{
    return error_set(err, -EPIPE,
                     "the command ended without an exit status; was its shell or sshd killed, or "
                     "the instance stopped?");
}
