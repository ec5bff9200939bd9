/* core/web/session.h - GitLab's session server (coordinator-protocol.md 6.5): GitLab comes to us over HTTPS for the web
 * terminal of a job. For terminals.c of the supervisor, which knows the jobs.
 *
 * Bytes go between a websocket and a descriptor, and nobody here reads them. A side that does not take them stops the
 * other.
 */
#pragma once

#include <uv.h>

#include "core/base/address.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/secret.h"

#define SESSION_TEXT_SIZE 65 /* 256 bits in hexadecimal */

/* One that GitLab is offered with a request for a job. */
struct session {
    char id[SESSION_TEXT_SIZE], token[SESSION_TEXT_SIZE];
};
void session_make(struct session *session);

struct session_options {
    struct sockaddr_storage address;
    const char *advertised;  /* "HOST:PORT" as GitLab finds it; NULL = by that address */
    const char *certificate; /* of session_server_host(), in PEM form; copied */
    const struct secret *key;
    /* Which session has that id; NULL = none. */
    const struct session *(*find)(void *arg, const char *id);
    /* Somebody with its token is here: 0 and a socket, which is the server's from then on, or the HTTP status that
     * refuses it. */
    unsigned (*enter)(void *arg, const char *id, int *ret_fd);
    void (*leave)(void *arg, const char *id); /* it may be gone by then */
    void *arg;
};

/* The host that GitLab finds; the caller's, NULL = no memory. */
char *session_server_host(const struct session_options *options);

struct session_server;
/* Options are copied, and the text outlives it. */
int session_server_start(uv_loop_t *loop, const struct session_options *options,
                         struct session_server **ret, struct error *err);
/* Ends all terminals, with their leave(); the loop does the rest. Accepts NULL. */
void session_server_close(struct session_server *server);
/* `session` of a request for a job; NULL = no memory. */
json_t *session_describe(const struct session_server *server, const struct session *session);
const char *session_server_url(const struct session_server *server);
