/* tests/fuzz/fuzz_coord_headers.c - headers of GitLab's answers: whatever they say, offsets are no less than 0 and waits
 * stay within their bounds (hardening.md V16, V17).
 *
 * Input: two bytes for the status, then the headers, a line each, in the order below. A value out of bounds aborts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/http.h"
#include "core/base/str.h"
#include "core/coordinator/rules.h"

#define NOW_MS INT64_C(1795000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool is_interval(int64_t ms)
{
    return ms == 0 || (ms >= 1000 && ms <= 10 * 60 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *lines[5] = { "", "", "", "", "" };
    char text[1024], *at = text;
    struct patch_outcome patch;
    struct update_outcome update;
    int64_t wait;
    int status;

    if (size < 2 || size - 2 >= sizeof(text))
        return 0;
    status = (data[0] << 8 | data[1]) % 1000 - 1;
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(lines) && at; i++)
        lines[i] = strsep(&at, "\n");
    const struct answer_headers headers = { .job_status = lines[0],
                                            .update_interval = lines[1],
                                            .range = lines[2] };

    rules_patch(status, &headers, 20, 10, &patch);
    require(patch.next_offset >= 0 && is_interval(patch.update_interval_ms));
    require(patch.result != PATCH_OK || patch.next_offset == 30);
    rules_update(status, &headers, &update);
    require(is_interval(update.update_interval_ms));
    wait = http_retry_wait_ms(1, lines[3], lines[4], NOW_MS, &rng_system);
    require(wait >= 100 && wait <= 10 * 60 * 1000);
    return 0;
}
