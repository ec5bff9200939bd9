/* core/job/connect/winrm.h - an instance reached by WinRM, as remote.h has it; called through that.
 *
 * There is no lasting connection: each command has a shell of its own on the instance, whose end is the end of all that
 * runs in it. Input and output travel on two HTTP connections, so that neither waits for the other.
 */
#pragma once

#include "core/job/connect/remote.h"

struct winrm_conn;
/* What must happen before the sandbox is narrowed; -EACCES and others with a sentence. */
int winrm_prepare(const struct remote_options *options, struct error *err);
int winrm_open(const struct remote_options *options, struct winrm_conn **ret, struct error *err);
void winrm_set_watch(struct winrm_conn *conn, struct remote_watch watch);
void winrm_close(struct winrm_conn *conn); /* accepts NULL */
/* As remote_exec(); what is stopped does not run on. */
int winrm_exec(struct winrm_conn *conn, const struct remote_exec *exec, struct remote_exit *ret,
               struct error *err);
/* Whether a command that was stopped could not be ended on the instance. */
bool winrm_left_running(const struct winrm_conn *conn);
int winrm_idle(struct winrm_conn *conn, int64_t until_mono_ms, struct error *err);
int winrm_prove(struct winrm_conn *conn, struct error *err);
