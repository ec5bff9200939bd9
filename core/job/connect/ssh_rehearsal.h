/* core/job/connect/ssh_rehearsal.h - a server for one handshake, so that the spawner can rehearse what every
 * worker will do.
 *
 * A handshake makes OpenSSL look up and keep every algorithm it needs. Done once before the workers are forked, their
 * copies of it stay shared pages and cost no time; done in each of them it is a third of a worker's private memory.
 */
#pragma once

/* Forks a process that serves one handshake and one public key authentication, whatever the key, on its end of a
 * socketpair and then ends. Returns our end and its pid in *ret_pid; negative: no rehearsal. */
int ssh_rehearsal_start(int *ret_pid);
