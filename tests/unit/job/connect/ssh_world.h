/* tests/unit/job/connect/ssh_world.h - a connection to a real server, and what a test of it sees and does. Include it
 * after cmocka.h.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/job/connect/ssh.h"
#include "tests/harness/ssh_server.h"

struct ssh_world {
    enum ssh_server_kind kind;
    char *dir;
    struct ssh_server server;
    struct remote_options options;
    struct ssh_conn *conn;
    struct error err;
    struct buf output, errors;
    char *host_key_type; /* that was shown last */

    int (*act)(struct ssh_world *world); /* before each wait */
    size_t quiet;                        /* whole waits in a row in which nothing came */
    int64_t last_ms;                     /* of the last wait */

    int pipe[2]; /* the test's */
    size_t taken, at_rest;
    pid_t server_process, frozen;
};

/* For cmocka: an empty world, in which nothing runs. */
int ssh_world_set_up(void **state);
int ssh_world_tear_down(void **state);

/* Starts a server, which `options` lead to. */
void ssh_world_start(struct ssh_world *world, enum ssh_server_kind kind, const char *settings);
void ssh_world_connect(struct ssh_world *world); /* or fails the test */
/* Ends connection and server; the world is empty again. */
void ssh_world_stop(struct ssh_world *world);

/* Runs the test with each server, connected. */
void ssh_world_each(struct ssh_world *world, void (*test)(struct ssh_world *world));

/* The command's exit status, or what ssh_exec() returned. 0 = no stream. */
int ssh_world_run(struct ssh_world *world, const char *command, int stdin_fd, int stdout_fd);

/* The process of the server that has the connection, from which a test can take everything but that. */
pid_t ssh_world_server(struct ssh_world *world);
