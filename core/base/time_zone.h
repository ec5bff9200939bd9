/* core/base/time_zone.h - local time of an IANA time zone, from the zone files of the machine.
 *
 * For settings that mean local time: policies by period, and the commands that show them. Reading
 * happens once; asking is pure. The C library's own local time is one for the whole process and
 * would have to be switched by TZ; here any number of zones stand side by side.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"

struct time_zone;

/* "Europe/Berlin"; NULL, "" and "Local" are the system's: TZ of the environment, else
 * /etc/localtime, else UTC. Files come from $TZDIR, else /usr/share/zoneinfo. -EINVAL: no name of a
 * zone, or no zone file; -ENOENT: there is none of that name. */
int time_zone_load(const char *name, struct time_zone **ret, struct error *err);
/* The content of a zone file (TZif, RFC 8536), which may be anything. */
int time_zone_parse(const void *data, size_t len, struct time_zone **ret, struct error *err);
void time_zone_free(struct time_zone *zone);
DEFINE_AUTO_PTR(struct time_zone, time_zone_free)

/* Seconds east of Greenwich at an instant, and when that can change next (INT64_MAX = never). */
int32_t time_zone_offset(const struct time_zone *zone, int64_t utc_s, int64_t *ret_until_s);
/* The instant of a local time: the first one of two; of a time that the clocks skip, the instant at
 * which they would have shown it without the change. */
int64_t time_zone_to_utc(const struct time_zone *zone, int64_t local_s);
