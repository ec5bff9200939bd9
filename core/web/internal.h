/* core/web/internal.h - the server and its connections, for core/web's own files.
 *
 *   server.c      listens, and begins and ends it all
 *   connection.c  what libwebsockets tells of a connection
 *   request.c     what a request asks for: routes, and who may
 *   answer.c      what goes out
 *   form.c        how a browser logs in
 */
#pragma once

#include <libwebsockets.h>

#include "core/web/guesses.h"
#include "core/web/login.h"
#include "core/web/server.h"
#include "core/web/visits.h"

#define WEB_CONNECTIONS_MAX 128
#define WEB_LASTING_MAX 96 /* streams and websockets: a scrape finds room beside them */
#define WEB_HEADERS_MAX 16384
#define WEB_QUIET_MS 30000 /* how long a client may take nothing of what is there for it */
#define WEB_PIECE_MAX 16384

enum web_phase {
    WEB_WAITS,   /* for a request */
    WEB_READS,   /* its form */
    WEB_HANDLED, /* the handler has it */
    WEB_ANSWERS, /* the answer goes out as a whole */
    WEB_STREAMS,
    WEB_UPGRADES, /* the handler wants a websocket, which the client is told of */
    WEB_TALKS,    /* as a websocket */
    WEB_GONE,     /* its connection goes, too */
};

struct web_server {
    uv_loop_t *loop;
    struct web_options options; /* certificate, key, token and names: its own copies */
    struct secret *certificate, *key, *token;
    char *host_names;
    struct sockaddr_storage address;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols *protocols;
    int listen_fd;
    uv_poll_t listener;
    uv_timer_t pause; /* until connections are taken again */
    uv_check_t last;  /* the turns of the loop that the end needs, */
    uv_idle_t awake;  /* which does not sleep meanwhile */
    struct web_guesses guesses;
    struct web_visits visits;
    struct web_request *requests;
    unsigned n_connections, n_lasting, turns, handles;
    bool closing, paused;
    struct error *start_error; /* while it starts: why TLS is not to be had */
};

/* Stands before each message in `out`. */
struct web_message {
    uint32_t len;
    bool binary;
};

/* A connection, and the request that it carries. */
struct web_request {
    struct web_server *server;
    struct web_request *next;
    struct lws *wsi;
    struct sockaddr_storage peer;
    enum web_phase phase;
    bool inside; /* the handler runs: its head can be read */
    const struct web_route *route;
    char *path;
    bool head_only;
    uint64_t visit;  /* whose cookie it shows; 0 = none */
    struct buf body; /* of a form */
    bool is_last;    /* on its connection: what is behind its head was not read */
    web_handler_fn on_gone, on_room;
    void *gone_arg;
    void (*on_message)(void *arg, struct web_request *request, const char *data, size_t len,
                       bool binary, bool more);
    /* What goes out. */
    unsigned status;
    const char *type;
    struct buf headers, out;
    size_t sent;                /* of `out` */
    struct web_message message; /* what is left of the one that is being sent */
    bool head_sent, ending, closing;
    bool ping;             /* is due */
    int64_t deadline_mono; /* 0 = none */
    unsigned close_code;
    char close_reason[100];
};

/* server.c */
void web_server_connection_ended(struct web_server *server);
int web_server_load_certificate(struct web_server *server, void *tls);

/* connection.c */
int web_connection_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t len);
/* Whoever has it hears that it is gone. */
void web_request_clear(struct web_request *request);
/* Ready for the next request. */
void web_request_end(struct web_request *request);
/* A websocket, with what lws_close_reason() was told. */
void web_request_close(struct web_request *request);
void web_request_set_deadline(struct web_request *request, int64_t ms); /* 0 = none */

/* request.c */
/* A request's head is there. */
void web_request_begin(struct web_request *request, bool socket);
/* A piece of the form, and its end. */
int web_request_add(struct web_request *request, const char *data, size_t len);
void web_request_complete(struct web_request *request);

/* form.c */
#define WEB_TOO_MANY_GUESSES "too many wrong tokens came from this address; try again in a minute"
void web_form_take_cookie(struct web_request *request);
/* `sentence` may be NULL. */
void web_form_show(struct web_request *request, unsigned status, const char *sentence);

/* answer.c */
bool web_is_lasting(const struct web_request *request);
/* There is nothing to write for now, so nobody looks at what its client sends either. */
void web_rest(struct web_request *request);
/* What is there goes out as far as it can. Negative: the connection is to end. */
int web_write(struct web_request *request);
