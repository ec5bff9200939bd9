/* helper/meter.h - the line on stdout that says how far a transfer is (job-execution.md 7.7). */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "helper/options.h"

struct meter {
    const char *label; /* "Uploading artifacts" */
    int64_t every_ms;  /* 0 = no line; less than 1 s is 1 s; --transfer-meter-frequency */
    int64_t total;     /* -1 = not known */
    int64_t done, began_at, shown_at; /* its own */
};
extern const struct option meter_options[];

void meter_start(struct meter *meter);
void meter_add(struct meter *meter, int64_t bytes);
void meter_end(struct meter *meter); /* the last line, whose end is a line's */

/* The line without its end, for `done` bytes in `ms`. */
void meter_format(const struct meter *meter, int64_t ms, struct buf *out);
