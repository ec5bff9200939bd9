/* call.c - one call of the daemon over a stream of its own, with the lazy Init: a daemon that was started again since says
 * "not initialized", is given nesting_config and asked once more. */
#include "nesting.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The host's call, and an end of our own before that. */
struct limit {
    const struct flt_isolation_host *host;
    flt_call *call;
    int64_t end_ms;
};

static int64_t limit_left_ms(void *arg)
{
    const struct limit *limit = arg;
    int64_t left = limit->host->time_left_ms(limit->call), own = limit->end_ms - flt_monotonic_ms();

    return own < left ? own : left;
}

static int limit_cancel_fd(void *arg)
{
    const struct limit *limit = arg;

    return limit->host->cancel_fd(limit->call);
}

int32_t call_because(flt_vms *vms, flt_call *call, int32_t code, const char *verb, const char *why)
{
    char text[FLT_ERROR_MAX + NESTING_ADDRESS_SIZE + 64];

    (void) snprintf(text, sizeof(text), "the nesting daemon at %s: %s: %s", vms->target, verb, why);
    return vms->host->fail(call, code, 0, text);
}

int32_t call_failed(flt_vms *vms, flt_call *call, const char *verb, struct flt_grpc_answer *answer)
{
    char why[FLT_ERROR_MAX + 32];

    free(answer->data);
    (void) snprintf(why, sizeof(why), "%s (gRPC status %d)",
                    *answer->message ? answer->message : "it failed and did not say why",
                    answer->status);
    return call_because(vms, call, answer_result(answer->status), verb, why);
}

/* An open stream to the daemon. */
struct line {
    flt_vms *vms;
    flt_call *call;
    struct flt_grpc grpc;
    struct flt_watch watch;
};

static int32_t ask(struct line *line, const char *verb, const void *message, size_t len,
                   struct flt_grpc_answer *ret)
{
    char path[64], why[FLT_ERROR_MAX];
    int32_t code;

    (void) snprintf(path, sizeof(path), "/nesting.Nesting/%s", verb);
    code = flt_grpc_call(&line->grpc, path, message, len, &line->watch, ret, why);
    return code == FLT_OK ? FLT_OK : call_because(line->vms, line->call, code, verb, why);
}

/* Whoever initialised it meanwhile did our work. */
static int32_t initialise(struct line *line)
{
    const char *config =
        line->vms->config
            ? json_object_to_json_string_ext(line->vms->config, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE)
            : "null";
    struct flt_grpc_answer answer = { 0 };
    unsigned char *message;
    size_t len = 0;
    int32_t code;

    message = config ? request_init(config, &len) : NULL;
    if (!message)
        return line->vms->host->fail(line->call, FLT_E_INTERNAL, 0, "out of memory");
    code = ask(line, "Init", message, len, &answer);
    free(message);
    if (code == FLT_OK && answer.status != FLT_GRPC_OK && !answer_is_about_init(&answer))
        return call_failed(line->vms, line->call, "Init", &answer);
    if (code == FLT_OK)
        free(answer.data);
    return code;
}

static int32_t ask_initialised(struct line *line, const char *verb, const void *message, size_t len,
                               struct flt_grpc_answer *ret)
{
    int32_t code = ask(line, verb, message, len, ret);

    if (code != FLT_OK || !answer_is_about_init(ret))
        return code;
    code = initialise(line);
    return code == FLT_OK ? ask(line, verb, message, len, ret) : code;
}

int32_t call_daemon(flt_vms *vms, flt_call *call, const char *verb, const void *message, size_t len,
                    int64_t limit_ms, struct flt_grpc_answer *ret)
{
    struct limit limit = { vms->host, call,
                           limit_ms > 0 ? flt_monotonic_ms() + limit_ms : INT64_MAX };
    struct line line = { .vms = vms,
                         .call = call,
                         .grpc = { .fd = -1 },
                         .watch = { limit_left_ms, limit_cancel_fd, &limit } };
    int32_t code = flt_watch_ended(&line.watch);

    if (code != FLT_OK)
        return call_because(vms, call, code, verb, "there was no time left to ask");
    code = vms->host->dial(call, vms->target, &line.grpc.fd);
    if (code != FLT_OK)
        return code;
    code = ask_initialised(&line, verb, message, len, ret);
    flt_grpc_done(&line.grpc);
    (void) close(line.grpc.fd);
    return code;
}
