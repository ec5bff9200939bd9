/* tests/fuzz/fuzz_google_error.c - answers of Google Cloud: whatever they say, what is shown of them is a line of text that
 * ends in its buffer, and a failed call is never taken for one that went well. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/google_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_line(const char *text, size_t size)
{
    require(strnlen(text, size) < size && !strpbrk(text, "\r\n\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = strndup((const char *) data, size);
    struct flt_http_answer answer = { .status = 100 + (long) (size % 500), .body = body };
    struct flt_google_fault fault;
    struct flt_verdict verdict;

    if (!body)
        return 0;
    answer.len = strlen(body);
    flt_google_fault_read(&answer, &fault);
    require_line(fault.reason, sizeof(fault.reason));
    require_line(fault.detail, sizeof(fault.detail));
    require_line(fault.right, sizeof(fault.right));
    require_line(fault.message, sizeof(fault.message));
    require(fault.retry_after_ms >= -1 && fault.retry_after_ms <= 600000);
    verdict = flt_google_judge(&fault);
    require(verdict.result < FLT_OK);
    require(!verdict.is_throttled || verdict.is_transient);
    free(body);
    return 0;
}
