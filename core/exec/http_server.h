/* core/exec/http_server.h - a small HTTP server on the caller's loop (libmicrohttpd), for the embedded coordinator.
 *
 * A request is handed over when its body is whole. The handler answers at once, or parks it and answers later. A form
 * (multipart/form-data) that may be larger than memory allows is taken part by part as it comes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/base/error.h"

struct http_server;
struct http_request;

/* Must end in http_answer() or http_park(). */
typedef void (*http_handler_fn)(void *arg, struct http_request *request);

/* Optional: the body of a request is about to come, which http_take_form() may be called for. */
void http_server_on_begin(struct http_server *server, http_handler_fn on_begin);

/* `address` NULL = any free port of 127.0.0.1. */
int http_server_new(uv_loop_t *loop, const struct sockaddr_storage *address, size_t body_max,
                    http_handler_fn handler, void *arg, struct http_server **ret,
                    struct error *err);
uint16_t http_server_port(const struct http_server *server);
/* What has been answered by now still goes out; parked requests end without an answer. */
void http_server_close(struct http_server *server);

const char *http_method(const struct http_request *request);
const char *http_path(const struct http_request *request);
const char *http_header(const struct http_request *request, const char *name); /* NULL = absent */
const char *http_query(const struct http_request *request, const char *name);  /* NULL = absent */
const char *http_body(const struct http_request *request, size_t *ret_len);

struct http_answer_header {
    const char *name, *value;
};
void http_answer(struct http_request *request, unsigned status,
                 const struct http_answer_header *headers, size_t n_headers, const char *body,
                 size_t body_len);

/* The same with 200 and `size` bytes of a file; `fd` is taken. */
void http_answer_file(struct http_request *request, const struct http_answer_header *headers,
                      size_t n_headers, int fd, uint64_t size);

struct http_form {
    /* Bytes of a part; negative: nothing more of this form is wanted. file_name may be NULL. */
    int (*on_part)(void *arg, const char *name, const char *file_name, const char *data, size_t len,
                   bool first);
    void (*on_over)(void *arg); /* the request is, in whatever way */
    void *arg;
};
/* A body that is not wanted, however large it is. */
void http_drop_body(struct http_request *request);
void http_take_form(struct http_request *request, const struct http_form *form);
void *http_form_arg(const struct http_request *request); /* NULL = no form is taken */
/* It was read to its end, and all of it was wanted. */
bool http_form_is_whole(struct http_request *request);

/* Keeps the request without an answer; on_gone is called when the client leaves first. */
void http_park(struct http_request *request,
               void (*on_gone)(void *arg, struct http_request *request), void *arg);

/* False when the client of a parked request has left. Asked for before something is given away with
 * the answer, because a parked connection is not watched. */
bool http_client_is_there(const struct http_request *request);
