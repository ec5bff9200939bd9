/* nestingd/server.c - see server.h. */
#include "nestingd/server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/descriptors.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/fd.h"

#define LOG_TOPIC "server"
#include "core/base/log.h"

enum {
    CONNECTIONS_MAX = 128,
    CHUNK = 16384,
    GREETING_MS = 10000, /* for a client's first bytes */
    FINISH_MS =
        15000, /* for the calls that run when the daemon is to stop; then they are told to end */
    TIDY_MS = 120000,   /* for them to end */
    FAREWELL_MS = 5000, /* for the last bytes to clients */
};

struct connection {
    struct connection *next;
    struct server *server;
    int fd;
    struct session *session;
    int64_t opened_ms;
    bool has_spoken, is_lost;
    nfds_t at; /* in the array of poll() */
};

struct server {
    const struct server_options *options;
    struct running running;
    struct connection *connections;
    unsigned n_connections;
    struct pollfd fds[3 + CONNECTIONS_MAX];
    nfds_t n_fds;
    bool is_stopping;
    bool is_full; /* no descriptors for another connection; until some are given back */
    int64_t cancel_at_ms, give_up_at_ms;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static void on_request(void *arg, const struct request *request)
{
    struct connection *connection = arg;
    struct running *running = &connection->server->running;
    struct error err = { 0 };
    struct flt_grpc_answer answer = { .status = FLT_GRPC_RESOURCE_EXHAUSTED };

    if (running_begin(running, connection, request, &err) == 0)
        return;
    log_warning("%s", err.message);
    (void) snprintf(answer.message, sizeof(answer.message), "%s", err.message);
    session_answer(connection->session, request->stream, &answer);
}

static void on_end(void *arg, int32_t stream)
{
    struct connection *connection = arg;

    running_abandon(&connection->server->running, connection, stream);
}

static void free_connection(struct connection *connection)
{
    session_free(connection->session);
    (void) close(connection->fd);
    free(connection);
}

static int add_connection(struct server *server, int fd)
{
    struct connection *connection = mem_zero(sizeof(*connection));
    const struct session_owner owner = { on_request, on_end, connection };

    if (!connection)
        return -ENOMEM;
    connection->session = session_new(&owner);
    if (!connection->session) {
        free(connection);
        return -ENOMEM;
    }
    connection->server = server;
    connection->fd = fd;
    connection->opened_ms = now_ms();
    connection->next = server->connections;
    server->connections = connection;
    server->n_connections++;
    return 0;
}

/* One at a time: there may be no room for a second. */
static void accept_one(struct server *server)
{
    int fd = fd_accept(server->options->listener);

    if (fd < 0) {
        server->is_full = fd != -EAGAIN && descriptors_were_short(fd) &&
                          (server->connections || running_any(&server->running));
        return;
    }
    if (add_connection(server, fd) == 0)
        return;
    log_warning("no memory for another client");
    (void) close(fd);
}

static void lose(struct connection *connection)
{
    connection->is_lost = true;
    running_abandon_all(&connection->server->running, connection);
}

static void send_some(struct connection *connection)
{
    const unsigned char *data;
    size_t len;

    while ((len = session_pending(connection->session, &data)) > 0) {
        ssize_t n = write(connection->fd, data, len);

        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                lose(connection);
            return;
        }
        session_sent(connection->session, (size_t) n);
    }
    if (session_is_over(connection->session))
        lose(connection);
}

static void receive_some(struct connection *connection)
{
    unsigned char data[CHUNK];
    ssize_t n = read(connection->fd, data, sizeof(data));
    struct error err;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(connection);
        return;
    }
    connection->has_spoken = true;
    if (session_feed(connection->session, data, (size_t) n, now_ms(), &err) < 0) {
        log_warning("a client's connection is ended: %s", err.message);
        lose(connection);
    }
}

/* Answers what is done. */
static void collect(struct server *server)
{
    struct run *run;

    while ((run = running_take(&server->running))) {
        struct connection *connection = run->owner;

        if (connection)
            session_answer(connection->session, run->stream, &run->answer);
        run_free(run);
        server->is_full = false;
    }
}

static void begin_stop(struct server *server)
{
    server->is_stopping = true;
    server->cancel_at_ms = now_ms() + fault_limit_ms("nesting_finish", FINISH_MS);
    server->give_up_at_ms = server->cancel_at_ms + TIDY_MS;
    (void) unlink(server->options->path);
    for (struct connection *c = server->connections; c; c = c->next)
        session_stop(c->session);
    if (running_any(&server->running))
        log_notice("no more calls; those that run may finish");
}

static void end_calls(struct server *server)
{
    log_notice("the calls that still run are told to end");
    running_cancel_all(&server->running);
    server->cancel_at_ms = INT64_MAX;
}

static void take_stop(struct server *server)
{
    char byte;

    if (read(server->options->stop_fd, &byte, 1) != 1)
        return;
    if (!server->is_stopping)
        begin_stop(server);
    else if (server->cancel_at_ms != INT64_MAX && running_any(&server->running))
        end_calls(server);
}

static void watch(struct server *server, int fd, int events)
{
    server->fds[server->n_fds++] = (struct pollfd) { .fd = fd, .events = (short) events };
}

static void watch_all(struct server *server)
{
    bool accepts =
        !server->is_stopping && !server->is_full && server->n_connections < CONNECTIONS_MAX;

    server->n_fds = 0;
    watch(server, server->options->stop_fd, POLLIN);
    watch(server, running_fd(&server->running), POLLIN);
    watch(server, accepts ? server->options->listener : -1, POLLIN);
    for (struct connection *c = server->connections; c; c = c->next) {
        const unsigned char *ignored;
        bool more = session_pending(c->session, &ignored) > 0;

        c->at = server->n_fds;
        watch(server, c->fd, POLLIN | (more ? POLLOUT : 0));
    }
}

/* The next moment at which something is to be done that no descriptor tells; -1 = none. */
static int wait_ms(const struct server *server)
{
    int64_t until = INT64_MAX, now = now_ms();

    if (server->is_stopping)
        until = MIN(server->cancel_at_ms, server->give_up_at_ms);
    for (const struct connection *c = server->connections; c; c = c->next)
        if (!c->has_spoken)
            until = MIN(until, c->opened_ms + GREETING_MS);
    return until == INT64_MAX ? -1 : (int) MAX(until - now, 0);
}

static void serve_connections(struct server *server)
{
    for (struct connection *c = server->connections; c; c = c->next) {
        if (c->at > 0 && server->fds[c->at].revents & (POLLIN | POLLHUP | POLLERR))
            receive_some(c);
        if (!c->is_lost)
            send_some(c);
        if (!c->has_spoken && now_ms() >= c->opened_ms + GREETING_MS)
            lose(c);
    }
}

static void drop_lost(struct server *server)
{
    struct connection **at = &server->connections;

    while (*at) {
        struct connection *connection = *at;

        if (!connection->is_lost) {
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        server->n_connections--;
        server->is_full = false;
        free_connection(connection);
    }
}

static void turn(struct server *server)
{
    watch_all(server);
    (void) poll(server->fds, server->n_fds, wait_ms(server));
    collect(server);
    serve_connections(server);
    drop_lost(server);
    if (server->fds[2].revents)
        accept_one(server);
    if (server->fds[0].revents)
        take_stop(server);
    if (server->is_stopping && now_ms() >= server->cancel_at_ms)
        end_calls(server);
}

static bool has_pending(const struct server *server)
{
    const unsigned char *ignored;

    for (const struct connection *c = server->connections; c; c = c->next)
        if (session_pending(c->session, &ignored) > 0)
            return true;
    return false;
}

/* All calls are done: what is still to be said to clients. */
static void say_farewell(struct server *server)
{
    int64_t now = now_ms(), end = now + FAREWELL_MS;

    for (; has_pending(server) && now < end; now = now_ms()) {
        watch_all(server);
        (void) poll(server->fds, server->n_fds, (int) (end - now));
        serve_connections(server);
        drop_lost(server);
    }
}

static int run_until_stopped(struct server *server, struct error *err)
{
    while (!server->is_stopping || running_any(&server->running)) {
        if (server->is_stopping && now_ms() >= server->give_up_at_ms)
            return error_set(err, -ETIMEDOUT, "calls did not end in time; VMs may be left over");
        turn(server);
    }
    return 0;
}

int server_run(const struct server_options *options, struct error *err)
{
    autofree struct server *server = mem_zero(sizeof(*server));
    int r;

    if (!server)
        return error_set(err, -ENOMEM, "out of memory");
    server->options = options;
    r = running_open(&server->running, options->handle, options->arg, err);
    if (r < 0)
        return r;
    r = run_until_stopped(server, err);
    if (r < 0) {
        (void) take_ptr(server); /* its threads go on with it, until the process ends */
        return r;
    }
    say_farewell(server);
    for (struct connection *c = server->connections; c; c = c->next)
        c->is_lost = true;
    drop_lost(server);
    running_close(&server->running);
    return 0;
}
