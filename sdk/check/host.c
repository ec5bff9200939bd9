/* sdk/check/host.c - the host that the plugin under test sees, and the life of one call.
 *
 * It lends everything for one call only and scribbles over it afterwards, so that a plugin that
 * keeps a pointer shows it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/provider/check.h"
#include "core/provider/program.h"
#include "sdk/check/kit.h"

#define ARENA_SIZE ((size_t) 512 * 1024 * 1024)
#define SCRIBBLE 1 /* a byte that no id and no text holds */
#define CANCEL_GRACE_MS 1000

/* Memory that is not malloc's, so that the plugin's own can be counted. */
void *kit_alloc(size_t size)
{
    static char *arena;
    static size_t used;
    size_t start = used;

    if (!arena) {
        arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena == MAP_FAILED)
            _exit(125);
    }
    size = (size + 15) & ~(size_t) 15;
    if (size > ARENA_SIZE - used)
        _exit(125);
    used += size;
    return arena + start;
}

char *kit_copy(const char *text)
{
    size_t len = strlen(text);
    char *copy = kit_alloc(len + 1);

    memcpy(copy, text, len + 1);
    return copy;
}

flt_call *kit_call_ptr(struct kit_call *call)
{
    return (flt_call *) (void *) call;
}

char *kit_lend(struct kit_call *call, const char *text)
{
    struct kit_loan *loan;

    if (!text)
        return NULL;
    loan = kit_alloc(sizeof(*loan));
    loan->data = kit_copy(text);
    loan->len = strlen(text);
    loan->next = call->loans;
    call->loans = loan;
    return loan->data;
}

bool kit_host_usable(struct kit_call *call, const char *what)
{
    if (call->ended)
        kit_fail(call->kit, "%s after its call of %s had returned", what, call->verb);
    else if (!pthread_equal(call->thread, pthread_self()))
        kit_fail(call->kit, "%s on another thread than its call of %s", what, call->verb);
    else
        return true;
    return false;
}

static struct kit_call *call_of(flt_call *opaque)
{
    return (struct kit_call *) (void *) opaque;
}

void kit_host_log(flt_call *opaque, int32_t level, const char *text)
{
    struct kit_call *call = call_of(opaque);
    size_t len = strlen(call->log);

    if (!kit_host_usable(call, "it logged"))
        return;
    if (level < FLT_LOG_ERROR || level > FLT_LOG_DEBUG || !provider_text_valid(text)) {
        kit_fail(call->kit, "%s logged what is no line: level %" PRId32, call->verb, level);
        return;
    }
    call->worst_level = MIN(call->worst_level, level);
    (void) snprintf(call->log + len, sizeof(call->log) - len, "%s\n", text);
}

int32_t kit_host_fail(flt_call *opaque, int32_t code, int64_t retry_after_ms, const char *text)
{
    struct kit_call *call = call_of(opaque);

    if (!kit_host_usable(call, "it called host->fail()"))
        return code;
    if (!provider_text_valid(text))
        kit_fail(call->kit, "%s gave a reason that is no text", call->verb);
    else
        (void) snprintf(call->message, sizeof(call->message), "%.1000s", text);
    call->retry_after_ms = retry_after_ms;
    return code;
}

int64_t kit_host_time_left_ms(flt_call *opaque)
{
    return call_of(opaque)->deadline_mono_ms - clock_mono_ms(&clock_system);
}

int32_t kit_host_cancelled(flt_call *opaque)
{
    struct kit_call *call = call_of(opaque);

    return call->ended || clock_mono_ms(&clock_system) >= call->cancel_mono_ms;
}

int32_t kit_host_cancel_fd(flt_call *opaque)
{
    return call_of(opaque)->kit->cancel_fd;
}

static const char *host_request_id(flt_call *opaque)
{
    return call_of(opaque)->request_id;
}

static int64_t host_epoch(flt_call *opaque)
{
    return call_of(opaque)->epoch;
}

static int32_t host_run(flt_call *opaque, const char *const *argv, flt_output_sink sink, void *arg)
{
    struct kit_call *call = call_of(opaque);
    struct program_result result = { 0 };
    int32_t status;

    if (!kit_host_usable(call, "it called host->run()"))
        return FLT_E_INTERNAL;
    status = program_run(argv, call->deadline_mono_ms, call->kit->cancel_fd, sink, arg, &result);
    if (status != 0 && *result.text)
        (void) snprintf(call->message, sizeof(call->message), "%s", result.text);
    return status;
}

static void host_describe_group(flt_call *opaque, const struct flt_group_info *info)
{
    struct kit_call *call = call_of(opaque);

    if (!kit_host_usable(call, "it described its group"))
        return;
    if (strcmp(call->verb, "open") != 0)
        kit_fail(call->kit, "%s described the group; only open may", call->verb);
    else if (call->described)
        kit_fail(call->kit, "open described the group twice");
    else if (!info || info->struct_size < FLT_GROUP_INFO_SIZE_1_0)
        kit_fail(call->kit,
                 "open described the group by a record whose struct_size is %" PRIu32
                 ", 1.0 has %" PRIu32,
                 info ? info->struct_size : 0, FLT_GROUP_INFO_SIZE_1_0);
    else if (info->identity && !provider_text_valid(info->identity))
        kit_fail(call->kit, "open described the group by an identity that is no text");
    call->described = true;
}

static const char *host_state_dir(flt_call *opaque)
{
    return call_of(opaque)->state_dir;
}

const struct flt_host kit_host = { .struct_size = sizeof(struct flt_host),
                                   .abi_minor = FLT_ABI_MINOR,
                                   .log = kit_host_log,
                                   .fail = kit_host_fail,
                                   .time_left_ms = kit_host_time_left_ms,
                                   .cancelled = kit_host_cancelled,
                                   .cancel_fd = kit_host_cancel_fd,
                                   .request_id = host_request_id,
                                   .epoch = host_epoch,
                                   .run = host_run,
                                   .describe_group = host_describe_group,
                                   .state_dir = host_state_dir };

struct kit_call *kit_begin(struct kit *kit, const char *verb, struct kit_how how)
{
    struct kit_call *call = kit_alloc(sizeof(*call));
    int64_t usual_ms =
        MIN(MAX(kit->options->patience_ms, (int64_t) KIT_CALL_MIN_MS), (int64_t) KIT_CALL_MS);

    call->kit = kit;
    call->verb = verb;
    call->thread = pthread_self();
    call->epoch = how.epoch;
    call->stop = how.stop;
    call->worst_level = FLT_LOG_DEBUG + 1;
    call->request_id = kit_lend(call, how.request_id);
    call->state_dir = kit_lend(call, kit->state_dir);
    call->began_mono_ms = clock_mono_ms(&clock_system);
    call->deadline_mono_ms =
        call->began_mono_ms + (how.deadline_ms > 0 ? how.deadline_ms : usual_ms);
    call->cancel_mono_ms = how.cancelled || how.cancel_after_ms > 0
                               ? call->began_mono_ms + how.cancel_after_ms
                               : call->deadline_mono_ms;
    watch_begin(kit, verb, call->cancel_mono_ms);
    return call;
}

static void scribble(struct kit_call *call)
{
    for (struct kit_loan *loan = call->loans; loan; loan = loan->next)
        memset(loan->data, SCRIBBLE, loan->len);
}

int32_t kit_end(struct kit_call *call, int32_t code)
{
    int64_t late = clock_mono_ms(&clock_system) - call->cancel_mono_ms;

    watch_end(call->kit);
    call->ended = true;
    call->code = code;
    scribble(call);
    if (!kit_code_known(code))
        kit_fail(call->kit, "%s returned %" PRId32 ", which is no result of the ABI", call->verb,
                 code);
    else if (late > CANCEL_GRACE_MS)
        kit_fail(call->kit, "%s returned %" PRId64 " ms after its cancel, %d are allowed",
                 call->verb, late, CANCEL_GRACE_MS);
    else if (call->stopped && code != FLT_E_CANCELLED)
        kit_fail(call->kit, "%s returned %s after its sink had said stop", call->verb,
                 kit_code_name(code));
    else if (code != FLT_OK && code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT && !*call->message)
        kit_fail(call->kit, "%s returned %s without a reason by host->fail()", call->verb,
                 kit_code_name(code));
    return code;
}
