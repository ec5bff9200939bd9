/* core/exec/ci_duration.h - durations as people write them in .gitlab-ci.yml: "1h 30m", "3 hours and
 * 10 minutes", "90 seconds". Pure.
 */
#pragma once

#include <stdint.h>

int ci_duration_parse(const char *text, int64_t *ret_s); /* 0, or -EINVAL and *ret_s untouched */
