/* core/job/connect/remote.h - the connection to an instance, whatever its protocol: what ssh.h and winrm.h have in common,
 * for jobs and probes.
 *
 * Codes and sentences are those of ssh.h.
 */
#pragma once

#include "core/job/connect/ssh.h"

struct remote;
/* What must happen before the sandbox is narrowed. */
int remote_prepare(const struct ssh_options *options, struct error *err);
/* What a connection reads while it lives. */
struct remote_files {
    const char *paths[3];
    size_t n;
    bool modules;      /* of the libraries that it uses */
    bool certificates; /* the system's */
};
struct remote_files remote_files(const struct ssh_options *options);
int remote_open(const struct ssh_options *options, struct remote **ret, struct error *err);
/* As relay_new(), which takes the connection; -EPROTONOSUPPORT with a sentence when its protocol carries no streams. */
int remote_relay(struct remote *remote, struct relay **ret, struct error *err);
void remote_set_watch(struct remote *remote, struct ssh_watch watch);
void remote_close(struct remote *remote); /* bounded time; accepts NULL */
int remote_exec(struct remote *remote, const struct ssh_exec *exec, struct ssh_exit *ret,
                struct error *err);
/* Whether what was stopped last may still run on the instance. */
bool remote_left_running(const struct remote *remote);
int remote_idle(struct remote *remote, int64_t until_mono_ms, struct error *err);
int remote_prove(struct remote *remote, struct error *err);
