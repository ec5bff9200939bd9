/* core/provider/host.c - the host table that a plugin gets: logging, failing, time, cancel,
 * programs. A plugin that uses a call after its end gets nothing. */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/provider/program.h"
#include "core/provider/session.h"

static bool stray(flt_call *call)
{
    if (call->ended)
        session_note_breach(call->session, "the plugin used a call that had ended");
    else if (!pthread_equal(call->thread, pthread_self()))
        session_note_breach(call->session, "the plugin used a call on another thread than its own");
    else
        return false;
    return true;
}

static void host_log(flt_call *call, int32_t level, const char *text)
{
    if (stray(call))
        return;
    if (level < FLT_LOG_ERROR || level > FLT_LOG_DEBUG)
        level = FLT_LOG_INFO;
    session_log(call->session, (enum log_level) level, text ? text : "");
}

static int32_t host_fail(flt_call *call, int32_t code, int64_t retry_after_ms, const char *text)
{
    autobuf struct buf shown = BUF_INIT;

    if (stray(call))
        return code;
    str_display(&shown, text ? text : "", text ? strlen(text) : 0, SESSION_MESSAGE_MAX - 8);
    (void) snprintf(call->message, SESSION_MESSAGE_MAX, "%s", buf_str(&shown));
    call->retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
    return code;
}

static int64_t host_time_left_ms(flt_call *call)
{
    return call->deadline_mono_ms - clock_mono_ms(&clock_system);
}

static int32_t host_cancelled(flt_call *call)
{
    return call->ended || session_is_cancelled(call->session) || host_time_left_ms(call) <= 0;
}

static int32_t host_cancel_fd(flt_call *call)
{
    return session_cancel_fd(call->session);
}

static const char *host_request_id(flt_call *call)
{
    return call->request_id;
}

static int64_t host_epoch(flt_call *call)
{
    return call->epoch;
}

static const char *host_state_dir(flt_call *call)
{
    return session_state_dir(call->session);
}

static const char *host_manager(flt_call *call)
{
    return session_manager(call->session);
}

static void host_describe_group(flt_call *call, const struct flt_group_info *info)
{
    autobuf struct buf shown = BUF_INIT;

    if (stray(call) || !info || info->struct_size < sizeof(uint32_t) * 2)
        return;
    memcpy(&call->info, info, MIN((size_t) info->struct_size, sizeof(call->info)));
    if (call->info.identity)
        str_display(&shown, call->info.identity, strnlen(call->info.identity, SESSION_IDENTITY_MAX),
                    SESSION_IDENTITY_MAX - 8);
    (void) snprintf(call->identity, SESSION_IDENTITY_MAX, "%s", buf_str(&shown));
    call->info.identity = call->identity;
}

static int32_t host_run(flt_call *call, const char *const *argv, flt_output_sink sink, void *arg)
{
    struct program_result result = { 0 };
    int32_t status;

    if (stray(call))
        return FLT_E_INTERNAL;
    status = program_run(argv, call->deadline_mono_ms, session_cancel_fd(call->session), sink, arg,
                         &result);
    if (*result.text)
        session_log(call->session, LOG_LEVEL_DEBUG, result.text);
    if (*result.text && status != 0)
        (void) host_fail(call, status, 0, result.text); /* until the plugin knows better */
    return status;
}

const struct flt_host session_host = { .struct_size = sizeof(struct flt_host),
                                       .abi_minor = FLT_ABI_MINOR,
                                       .log = host_log,
                                       .fail = host_fail,
                                       .time_left_ms = host_time_left_ms,
                                       .cancelled = host_cancelled,
                                       .cancel_fd = host_cancel_fd,
                                       .request_id = host_request_id,
                                       .epoch = host_epoch,
                                       .run = host_run,
                                       .describe_group = host_describe_group,
                                       .state_dir = host_state_dir,
                                       .manager = host_manager };
