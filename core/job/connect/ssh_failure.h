/* core/job/connect/ssh_failure.h - what both back ends say when a connection or a command fails: what happened, and
 * what to look at. Each returns the code that it sets.
 */
#pragma once

#include "core/job/connect/remote.h"

/* `where` is "ADDRESS port N", `why` what the library says. */
int ssh_failed_late(struct error *err, const char *where, bool greeted);
int ssh_failed_greeting(struct error *err, const char *where, const char *why);
/* `takes`: the methods that the instance would take, in sshd_config's words; "" when it does not say. */
int ssh_failed_auth(struct error *err, const struct remote_options *options, const char *takes);
int ssh_failed_auth_late(struct error *err, const struct remote_options *options);
int ssh_failed_lost(struct error *err, const char *doing, const char *why);
/* `command` is NULL when it is the channel that is refused. */
int ssh_failed_channel(struct error *err, const char *command, const char *why);
int ssh_failed_channel_late(struct error *err);
int ssh_failed_no_status(struct error *err);
