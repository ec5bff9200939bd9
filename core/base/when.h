/* core/base/when.h - points in time as people write and read them, in a time zone. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/time_zone.h"

/* ISO 8601: "2026-03-30", "2026-03-30T08:00", "2026-03-30 08:00:30.5", with "Z", "UTC" or an offset such
 * as "+02:00" behind it, else local time of `zone`, of which NULL is UTC. 0 or -EINVAL. */
int when_parse(const char *text, const struct time_zone *zone, int64_t *ret_ms);
/* "Mon 2026-03-30 08:00 +02:00" */
void when_format(struct buf *out, int64_t utc_s, const struct time_zone *zone);
/* "2026-03-30T08:00:00+02:00", for programs. */
void when_format_iso(struct buf *out, int64_t utc_s, const struct time_zone *zone);
