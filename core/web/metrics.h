/* core/web/metrics.h - a page of metrics as Prometheus reads it: the text format, or OpenMetrics for those who ask for
 * it; and histograms, which are some integers.
 *
 * Whoever has the numbers writes the page when it is asked for, one family after the other, each with all of its
 * samples. Pure; nothing is kept between two pages but the histograms, which belong to who counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* Histograms. */

#define METRICS_BOUNDS_MAX 32

struct metrics_exemplar { /* the latest observation of a bucket that a job made */
    double value;
    int64_t job_id, wall_ms; /* wall_ms 0 = there is none */
};
struct metrics_histogram {
    const double *bounds; /* rising upper bounds, which outlive it */
    size_t n;
    uint64_t counts[METRICS_BOUNDS_MAX + 1];
    double sum;
    struct metrics_exemplar *exemplars; /* one a bucket, or NULL */
};
/* More bounds than there is room for are cut. */
void metrics_histogram_init(struct metrics_histogram *histogram, const double *bounds, size_t n);
/* False when memory is short; then there are none. */
bool metrics_histogram_keep_exemplars(struct metrics_histogram *histogram);
void metrics_histogram_done(struct metrics_histogram *histogram);
void metrics_observe(struct metrics_histogram *histogram, double value);
void metrics_observe_job(struct metrics_histogram *histogram, double value, int64_t job_id,
                         int64_t wall_ms);
uint64_t metrics_count(const struct metrics_histogram *histogram);

/* The page. */

enum metrics_kind {
    METRICS_GAUGE,
    METRICS_COUNTER,
    METRICS_COUNTER_OF_TAKEN, /* without _total its name is another family's */
    METRICS_HISTOGRAM
};

struct metrics_page {
    struct buf out;
    bool openmetrics;
    enum metrics_kind kind; /* of the family that is being written */
    const char *name;
};
#define METRICS_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Would whoever sent this Accept rather have OpenMetrics? `accept` may be NULL. */
bool metrics_wants_openmetrics(const char *accept);

/* A label's value is escaped; one that does not fit is cut. */
struct metrics_labels {
    char text[1024];
};
void metrics_label(struct metrics_labels *labels, const char *name, const char *value);

/* `name` as it is without the _total of a counter. Name and help live until the next family. */
void metrics_family(struct metrics_page *page, enum metrics_kind kind, const char *name,
                    const char *help);
/* A sample of the family; `labels` may be NULL. */
void metrics_sample(struct metrics_page *page, const struct metrics_labels *labels, double value);
void metrics_sample_histogram(struct metrics_page *page, const struct metrics_labels *labels,
                              const struct metrics_histogram *histogram);
void metrics_end(struct metrics_page *page);
