/* tests/fuzz/fuzz_grpc_frames.c - whatever a server of gRPC sends, in whatever pieces: an answer is within its limits, and a
 * failure has a sentence that can be shown. The first byte says how long the pieces are. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/grpc_session.h"

#define SENT_MAX ((size_t) 1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void drain(struct flt_grpc_session *session, size_t *sent)
{
    const unsigned char *out;
    size_t len;

    while (*sent < SENT_MAX && (len = flt_grpc_session_pending(session, &out)) > 0) {
        flt_grpc_session_sent(session, len > 7 ? 7 : len);
        *sent += len > 7 ? 7 : len;
    }
}

static void require_line(const char *text)
{
    require(strnlen(text, FLT_GRPC_TEXT_MAX) < FLT_GRPC_TEXT_MAX && !strpbrk(text, "\r\n\x1b"));
}

static void judge(struct flt_grpc_session *session)
{
    enum flt_grpc_state state = flt_grpc_session_state(session);
    struct flt_grpc_answer answer;

    if (state == FLT_GRPC_BROKEN || state == FLT_GRPC_REFUSED) {
        require(*flt_grpc_session_why(session) != '\0');
        require_line(flt_grpc_session_why(session));
    }
    if (state != FLT_GRPC_ANSWERED)
        return;
    flt_grpc_session_take(session, &answer);
    require(answer.status >= 0 && answer.status <= FLT_GRPC_UNAUTHENTICATED);
    require(answer.len <= FLT_GRPC_MESSAGE_MAX);
    require((answer.data != NULL) == (answer.status == FLT_GRPC_OK));
    require_line(answer.message);
    free(answer.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flt_grpc_session *session = flt_grpc_session_new();
    size_t step = size > 0 ? (size_t) data[0] + 1 : 1, sent = 0;

    if (!session)
        return 0;
    (void) flt_grpc_session_begin(session, "/nesting.Nesting/List", NULL, 0, 1000);
    drain(session, &sent);
    for (size_t at = 1; at < size && flt_grpc_session_state(session) == FLT_GRPC_WAITS;
         at += step) {
        flt_grpc_session_feed(session, data + at, size - at < step ? size - at : step,
                              (int64_t) at);
        drain(session, &sent);
    }
    flt_grpc_session_cancel(session);
    drain(session, &sent);
    judge(session);
    flt_grpc_session_free(session);
    return 0;
}
