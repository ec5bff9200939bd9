/* nestingd/fd.h - descriptors as the daemon wants them: close-on-exec, where the system can from birth. macOS can't: there
 * process.c keeps them from the programs that it starts.
 */
#pragma once

/* Each 0 or the descriptor; negative errno. */
int fd_pipe(int ends[2]);
int fd_unix_socket(void);
int fd_accept(int listener); /* what it gives does not block */
