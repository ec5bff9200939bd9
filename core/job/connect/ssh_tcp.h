/* core/job/connect/ssh_tcp.h - a TCP connection to an instance, by our own clock, or the way there that the options
 * name instead; for ssh_open() and WinRM. */
#pragma once

#include "core/job/connect/ssh.h"

/* Returns 0 and a non-blocking descriptor, or a negative code with a sentence that says what to look at. */
int ssh_tcp_open(const struct ssh_options *options, int64_t deadline, int *ret_fd,
                 struct error *err);
