/* core/coordinator/client.c - the client: libcurl's multi interface on libuv, a pool of connections for
 * reports and one for parked requests (client.h, call.h).
 *
 * Pitfalls that this file answers: libcurl's timer callback must not act at once; a poll handle may be
 * freed only when the loop has closed it. */
#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/client_parts.h"

#define REPORT_CONNECTIONS 3

/* A socket that libcurl watches. */
struct watched {
    uv_poll_t poll;
    struct coordinator_client *client;
    enum pool pool;
    curl_socket_t fd;
};

static void drive(struct coordinator_client *client, enum pool pool, curl_socket_t fd, int events)
{
    int running;

    (void) curl_multi_socket_action(client->multi[pool], fd, events, &running);
    call_reap(client, pool);
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watched *watched = poll->data;
    int flags = 0;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    drive(watched->client, watched->pool, watched->fd, flags);
}

static void on_watched_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watched *watch(struct coordinator_client *client, enum pool pool, curl_socket_t fd)
{
    struct watched *watched = mem_zero(sizeof(*watched));

    if (!watched || uv_poll_init_socket(client->loop, &watched->poll, fd) < 0) {
        free(watched);
        return NULL;
    }
    watched->poll.data = watched;
    watched->client = client;
    watched->pool = pool;
    watched->fd = fd;
    (void) curl_multi_assign(client->multi[pool], fd, watched);
    return watched;
}

static int on_socket(struct coordinator_client *client, enum pool pool, curl_socket_t fd, int what,
                     struct watched *watched)
{
    int events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (watched) {
            (void) uv_poll_stop(&watched->poll);
            (void) curl_multi_assign(client->multi[pool], fd, NULL);
            uv_close((uv_handle_t *) &watched->poll, on_watched_closed);
        }
        return 0;
    }
    if (!watched)
        watched = watch(client, pool, fd);
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    /* A socket that cannot be watched is one on which nothing comes: its call ends by its time limit.
     * libcurl must not hear of it: it would give up every call, those to come, too. */
    if (watched)
        (void) uv_poll_start(&watched->poll, events, on_socket_ready);
    return 0;
}

static int on_socket_reports(CURL *easy, curl_socket_t fd, int what, void *client, void *watched)
{
    (void) easy;
    return on_socket(client, POOL_REPORTS, fd, what, watched);
}

static int on_socket_polls(CURL *easy, curl_socket_t fd, int what, void *client, void *watched)
{
    (void) easy;
    return on_socket(client, POOL_POLLS, fd, what, watched);
}

static void on_timeout(uv_timer_t *timer)
{
    struct coordinator_client *client = timer->data;

    drive(client, (enum pool)(timer - client->timers), CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(struct coordinator_client *client, enum pool pool, long ms)
{
    if (ms < 0)
        return uv_timer_stop(&client->timers[pool]) < 0 ? -1 : 0;
    /* Never from inside libcurl, and never at once: libuv 1.44 calls a timer of 0 that began within another's call in
     * the same turn, so that of a server that answers quickly one request after the other would be made and answered
     * before anything else is looked at. */
    return uv_timer_start(&client->timers[pool], on_timeout, (uint64_t) MAX(ms, 1L), 0) < 0 ? -1
                                                                                            : 0;
}

static int on_timer_reports(CURLM *multi, long ms, void *client)
{
    (void) multi;
    return set_timer(client, POOL_REPORTS, ms);
}

static int on_timer_polls(CURLM *multi, long ms, void *client)
{
    (void) multi;
    return set_timer(client, POOL_POLLS, ms);
}

int coordinator_client_new(uv_loop_t *loop, struct coordinator_client **ret, struct error *err)
{
    static const curl_socket_callback socket_callbacks[] = { on_socket_reports, on_socket_polls };
    static const curl_multi_timer_callback timer_callbacks[] = { on_timer_reports, on_timer_polls };
    struct coordinator_client *client = mem_zero(sizeof(*client));

    if (!client)
        return error_set(err, -ENOMEM, "HTTP client: out of memory");
    client->loop = loop;
    (void) uv_timer_init(loop, &client->rest);
    client->rest.data = client;
    client->handles++;
    for (size_t i = 0; i < POOL_COUNT; i++) {
        (void) uv_timer_init(loop, &client->timers[i]);
        client->timers[i].data = client;
        client->handles++;
        client->multi[i] = curl_multi_init();
        if (!client->multi[i]) {
            coordinator_client_free(client);
            return error_set(err, -ENOMEM, "HTTP client: out of memory");
        }
        (void) curl_multi_setopt(client->multi[i], CURLMOPT_SOCKETFUNCTION, socket_callbacks[i]);
        (void) curl_multi_setopt(client->multi[i], CURLMOPT_SOCKETDATA, client);
        (void) curl_multi_setopt(client->multi[i], CURLMOPT_TIMERFUNCTION, timer_callbacks[i]);
        (void) curl_multi_setopt(client->multi[i], CURLMOPT_TIMERDATA, client);
        (void) curl_multi_setopt(client->multi[i], CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    }
    (void) curl_multi_setopt(client->multi[POOL_REPORTS], CURLMOPT_MAX_HOST_CONNECTIONS,
                             (long) REPORT_CONNECTIONS);
    (void) curl_multi_setopt(client->multi[POOL_REPORTS], CURLMOPT_MAXCONNECTS,
                             (long) REPORT_CONNECTIONS);
    *ret = client;
    return 0;
}

static void on_client_closed(uv_handle_t *handle)
{
    struct coordinator_client *client = handle->data;

    if (--client->handles > 0)
        return;
    chain_free_all(client->chains);
    free(client);
}

void coordinator_client_observe(struct coordinator_client *client, coordinator_ended_fn fn,
                                void *arg)
{
    client->on_ended = fn;
    client->ended_arg = arg;
}

void coordinator_client_free(struct coordinator_client *client)
{
    if (!client)
        return;
    while (client->calls)
        coordinator_call_cancel(client->calls);
    for (size_t i = 0; i < POOL_COUNT; i++) {
        if (client->multi[i])
            (void) curl_multi_cleanup(client->multi[i]);
        client->multi[i] = NULL;
        uv_close((uv_handle_t *) &client->timers[i], on_client_closed);
    }
    uv_close((uv_handle_t *) &client->rest, on_client_closed);
}

const char *coordinator_certificates(const struct coordinator_client *client, const char *url)
{
    const struct chain *chain = chain_find(client->chains, url);

    return chain ? buf_str(&chain->proved) : "";
}
