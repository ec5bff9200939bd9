/* core/job/connect/remote_tcp.h - a TCP connection to an instance, by our own clock, or the way there that the options
 * name instead; for ssh.c and winrm_http.c. */
#pragma once

#include "core/job/connect/remote.h"

/* Returns 0 and a non-blocking descriptor, or a negative code with a sentence that says what to look at. */
int remote_tcp_open(const struct remote_options *options, int64_t deadline, int *ret_fd,
                    struct error *err);
