/* core/job/connect/remote.c - see the header. */
#include "core/job/connect/remote.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/pty.h"
#include "core/job/connect/relay.h"
#include "core/job/connect/ssh.h"
#include "core/job/connect/winrm.h"

/* One of the two. */
struct remote {
    struct ssh_conn *ssh;
    struct winrm_conn *winrm;
};

static bool is_winrm(const struct remote_options *options)
{
    return options->protocol && str_starts(options->protocol, "winrm");
}

/* GSSAPI looks whether its settings have changed. */
struct remote_files remote_files(const struct remote_options *options)
{
    const char *kerberos = getenv("KRB5_CONFIG");
    struct remote_files files = { 0 };

    if (!is_winrm(options))
        return files;
    files.paths[files.n++] = "/etc/gss";
    files.paths[files.n++] = kerberos ? kerberos : "/etc/krb5.conf";
    if (!str_empty(options->ca_file))
        files.paths[files.n++] = options->ca_file;
    files.modules = true;
    files.certificates = str_eq(options->protocol, "winrm+https") && !options->own_certificate;
    return files;
}

int remote_prepare(const struct remote_options *options, struct error *err)
{
    return is_winrm(options) ? winrm_prepare(options, err) : 0;
}

int remote_open(const struct remote_options *options, struct remote **ret, struct error *err)
{
    struct remote *remote = mem_zero(sizeof(*remote));
    int r;

    if (!remote)
        return error_set(err, -ENOMEM, "connection: out of memory");
    r = is_winrm(options) ? winrm_open(options, &remote->winrm, err)
                          : ssh_open(options, &remote->ssh, err);
    if (r < 0)
        free(remote);
    else
        *ret = remote;
    return r;
}

int remote_relay(struct remote *remote, struct relay **ret, struct error *err)
{
    int r;

    if (remote->winrm)
        return error_set(
            err, -EPROTONOSUPPORT,
            "VMs are made on instances that are reached by SSH: WinRM carries no streams");
    r = relay_new(remote->ssh, ret, err);
    if (r == 0)
        free(remote);
    return r;
}

int remote_pty(struct remote *remote, struct pty *pty, const char *command, int fd,
               struct error *err)
{
    if (remote->winrm)
        return error_set(err, -EPROTONOSUPPORT,
                         "the job runs on an instance that is reached by WinRM, which has no "
                         "terminals: reach it by SSH (connector_config.protocol)");
    return pty_begin(pty, remote->ssh, command, fd, err);
}

void remote_set_watch(struct remote *remote, struct remote_watch watch)
{
    if (remote->winrm)
        winrm_set_watch(remote->winrm, watch);
    else
        ssh_set_watch(remote->ssh, watch);
}

void remote_close(struct remote *remote)
{
    if (!remote)
        return;
    winrm_close(remote->winrm);
    ssh_close(remote->ssh);
    free(remote);
}

int remote_exec(struct remote *remote, const struct remote_exec *exec, struct remote_exit *ret,
                struct error *err)
{
    return remote->winrm ? winrm_exec(remote->winrm, exec, ret, err)
                         : ssh_exec(remote->ssh, exec, ret, err);
}

/* Of SSH nobody knows: a server need not kill what ran in a channel. */
bool remote_left_running(const struct remote *remote)
{
    return !remote->winrm || winrm_left_running(remote->winrm);
}

int remote_idle(struct remote *remote, int64_t until_mono_ms, struct error *err)
{
    return remote->winrm ? winrm_idle(remote->winrm, until_mono_ms, err)
                         : ssh_idle(remote->ssh, until_mono_ms, err);
}

int remote_prove(struct remote *remote, struct error *err)
{
    return remote->winrm ? winrm_prove(remote->winrm, err) : ssh_prove(remote->ssh, err);
}
