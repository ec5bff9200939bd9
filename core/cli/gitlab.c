/* core/cli/gitlab.c - see gitlab.h. */
#include "core/cli/gitlab.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#include "core/base/str.h"

/* A loop of its own for each question: the commands ask one after the other. */
struct exchange {
    uv_loop_t loop;
    struct coordinator_client *client;
    struct coordinator_call *call;
    struct gitlab_answer *answer;
};

void gitlab_answer_done(struct gitlab_answer *answer)
{
    secret_free(answer->token);
    answer->token = NULL;
}

static void on_answer(void *arg, const struct coordinator_runner_answer *answer)
{
    struct exchange *exchange = arg;
    struct gitlab_answer *ret = exchange->answer;

    ret->status = answer->status;
    ret->id = answer->id;
    ret->expires_ms = answer->expires_ms;
    ret->token = *answer->token ? secret_from_str(answer->token) : NULL;
    (void) str_cut(ret->message, sizeof(ret->message), answer->message);
    uv_stop(&exchange->loop);
}

static int exchange_begin(struct exchange *exchange, struct gitlab_answer *ret, struct error *err)
{
    exchange->answer = ret;
    if (uv_loop_init(&exchange->loop) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return coordinator_client_new(&exchange->loop, &exchange->client, err);
}

/* `r` is whether the question could be asked. */
static int exchange_end(struct exchange *exchange, int r)
{
    if (r == 0)
        (void) uv_run(&exchange->loop, UV_RUN_DEFAULT);
    coordinator_client_free(exchange->client);
    (void) uv_run(&exchange->loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&exchange->loop);
    return r;
}

int gitlab_register(const struct coordinator_host *host,
                    const struct coordinator_registration *registration, struct gitlab_answer *ret,
                    struct error *err)
{
    struct exchange exchange = { 0 };
    int r = exchange_begin(&exchange, ret, err);

    if (r == 0)
        r = coordinator_register(exchange.client, host, registration, on_answer, &exchange,
                                 &exchange.call, err);
    return exchange_end(&exchange, r);
}

static int verify(const struct coordinator_host *host, const char *token, const char *system_id,
                  bool by_status, struct gitlab_answer *ret, struct error *err)
{
    struct exchange exchange = { 0 };
    autojson json_t *info = coordinator_info(NULL, NULL);
    int r = exchange_begin(&exchange, ret, err);

    if (r == 0)
        r = coordinator_verify(exchange.client, host, token, system_id, info, by_status, on_answer,
                               &exchange, &exchange.call, err);
    return exchange_end(&exchange, r);
}

/* Without an answer that can be read it is asked once more, as by GitLab Runner: an old server says its 200 in plain
 * text. */
int gitlab_verify(const struct coordinator_host *host, const char *token, const char *system_id,
                  struct gitlab_answer *ret, struct error *err)
{
    int r = verify(host, token, system_id, false, ret, err);

    return r == 0 && ret->status == COORDINATOR_TRANSPORT_ERROR
               ? verify(host, token, system_id, true, ret, err)
               : r;
}

int gitlab_unregister(const struct coordinator_host *host, const char *token, const char *system_id,
                      struct gitlab_answer *ret, struct error *err)
{
    struct exchange exchange = { 0 };
    int r = exchange_begin(&exchange, ret, err);

    if (r == 0)
        r = coordinator_unregister(exchange.client, host, token, system_id, on_answer, &exchange,
                                   &exchange.call, err);
    return exchange_end(&exchange, r);
}

int gitlab_reset_token(const struct coordinator_host *host, const char *token, int64_t id,
                       const char *pat, struct gitlab_answer *ret, struct error *err)
{
    struct exchange exchange = { 0 };
    int r = exchange_begin(&exchange, ret, err);

    if (r == 0)
        r = coordinator_reset_token(exchange.client, host, token, id, pat, on_answer, &exchange,
                                    &exchange.call, err);
    return exchange_end(&exchange, r);
}
