/* helper/meter.c - see meter.h. */
#include "helper/meter.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/str.h"

#define LEAST_MS INT64_C(1000)

const struct option meter_options[] = {
    OPTION("transfer-meter-frequency", "TRANSFER_METER_FREQUENCY", OPTION_DURATION, meter, every_ms,
           "how often to show how far it is (0 = never)"),
    { 0 }
};

/* In decimal units, as the peer counts. */
static void add_amount(struct buf *out, double bytes, int decimals)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    size_t unit = 0;

    while (bytes >= 1000 && unit + 1 < ARRAY_LEN(units)) {
        bytes /= 1000;
        unit++;
    }
    buf_addf(out, "%.*f %s", decimals, bytes, units[unit]);
}

void meter_format(const struct meter *meter, int64_t ms, struct buf *out)
{
    buf_addf(out, "\r%s ", meter->label);
    add_amount(out, (double) meter->done, 2);
    if (meter->total >= 0) {
        buf_add_char(out, '/');
        add_amount(out, (double) meter->total, 2);
    }
    buf_add_str(out, " (");
    add_amount(out, (double) meter->done * 1000 / (double) MAX(ms, INT64_C(1)), 1);
    buf_addf(out, "/s)%16s", "");
}

static void show(struct meter *meter, int64_t now, const char *end)
{
    autobuf struct buf line = BUF_INIT;

    meter_format(meter, now - meter->began_at, &line);
    meter->shown_at = now;
    (void) printf("%s%s", buf_str(&line), end);
    (void) fflush(stdout);
}

void meter_start(struct meter *meter)
{
    meter->done = 0;
    meter->began_at = meter->shown_at = clock_mono_ms(&clock_system);
}

void meter_add(struct meter *meter, int64_t bytes)
{
    int64_t now;

    meter->done += bytes;
    if (meter->every_ms <= 0)
        return;
    now = clock_mono_ms(&clock_system);
    if (now - meter->shown_at >= MAX(meter->every_ms, LEAST_MS))
        show(meter, now, "");
}

void meter_end(struct meter *meter)
{
    if (meter->every_ms > 0)
        show(meter, clock_mono_ms(&clock_system), "\n");
}
