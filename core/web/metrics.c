/* core/web/metrics.c - writes the two formats, which differ in the names of counters, in how whole numbers are written
 * as bounds, in exemplars, and in the last line. */
#include "core/web/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

void metrics_histogram_init(struct metrics_histogram *histogram, const double *bounds, size_t n)
{
    *histogram =
        (struct metrics_histogram) { .bounds = bounds, .n = MIN(n, (size_t) METRICS_BOUNDS_MAX) };
}

bool metrics_histogram_keep_exemplars(struct metrics_histogram *histogram)
{
    if (!histogram->exemplars)
        histogram->exemplars = mem_array(histogram->n + 1, sizeof(*histogram->exemplars));
    return histogram->exemplars != NULL;
}

void metrics_histogram_done(struct metrics_histogram *histogram)
{
    free(take_ptr(histogram->exemplars));
}

static size_t bucket_of(const struct metrics_histogram *histogram, double value)
{
    size_t i = 0;

    while (i < histogram->n && value > histogram->bounds[i])
        i++;
    return i;
}

void metrics_observe(struct metrics_histogram *histogram, double value)
{
    histogram->counts[bucket_of(histogram, value)]++;
    histogram->sum += value;
}

void metrics_observe_job(struct metrics_histogram *histogram, double value, int64_t job_id,
                         int64_t wall_ms)
{
    metrics_observe(histogram, value);
    if (histogram->exemplars)
        histogram->exemplars[bucket_of(histogram, value)] =
            (struct metrics_exemplar) { .value = value, .job_id = job_id, .wall_ms = wall_ms };
}

uint64_t metrics_count(const struct metrics_histogram *histogram)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= histogram->n; i++)
        sum += histogram->counts[i];
    return sum;
}

/* What the client thinks of a type: its q, 0 to 1000; -1 = it does not name it. */
static int quality_of(const char *accept, const char *type)
{
    const char *at = strstr(accept, type), *end, *q;

    if (!at)
        return -1;
    end = at + strcspn(at, ",");
    q = strstr(at, "q=");
    if (!q || q > end || q[2] < '0' || q[2] > '1')
        return 1000;
    if (q[2] == '1')
        return 1000;
    for (int value = 0, unit = 100, i = 4;; i++, unit /= 10) {
        if (q[3] != '.' || unit == 0 || q[i] < '0' || q[i] > '9')
            return value;
        value += (q[i] - '0') * unit;
    }
}

bool metrics_wants_openmetrics(const char *accept)
{
    int openmetrics = accept ? quality_of(accept, "application/openmetrics-text") : -1;

    return openmetrics > 0 && openmetrics >= quality_of(accept, "text/plain");
}

/* Labels. */

#define VALUE_MAX                                                                                  \
    256 /* so that the labels behind it have room, too: without them samples are alike */

static size_t escape(char *dst, size_t size, const char *value)
{
    size_t n = 0;

    for (; *value && n + 2 < size; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            dst[n++] = '\\';
        dst[n++] = *value == '\n' ? 'n' : *value;
    }
    /* Not half of a character. */
    while (*value && n > 0 && ((unsigned char) *value & 0xc0) == 0x80)
        value--, n--;
    dst[n] = '\0';
    return n;
}

void metrics_label(struct metrics_labels *labels, const char *name, const char *value)
{
    size_t len = strlen(labels->text), head = strlen(name) + strlen(",=\"\"");

    if (len + head + 2 > sizeof(labels->text))
        return;
    len += (size_t) snprintf(labels->text + len, sizeof(labels->text) - len, "%s%s=\"",
                             len > 0 ? "," : "", name);
    len +=
        escape(labels->text + len, MIN(sizeof(labels->text) - len - 1, (size_t) VALUE_MAX), value);
    labels->text[len] = '"';
    labels->text[len + 1] = '\0';
}

/* Samples. */

static void add_number(struct buf *out, double value)
{
    if (isnan(value))
        buf_add_str(out, "NaN");
    else if (isinf(value))
        buf_add_str(out, value > 0 ? "+Inf" : "-Inf");
    else
        buf_addf(out, "%.15g", value);
}

static const char *const kinds[] = { [METRICS_GAUGE] = "gauge",
                                     [METRICS_COUNTER] = "counter",
                                     [METRICS_COUNTER_OF_TAKEN] = "counter",
                                     [METRICS_HISTOGRAM] = "histogram" };

void metrics_family(struct metrics_page *page, enum metrics_kind kind, const char *name,
                    const char *help)
{
    bool taken = kind == METRICS_COUNTER_OF_TAKEN;
    const char *suffix = taken || (kind == METRICS_COUNTER && !page->openmetrics) ? "_total" : "";

    page->kind = kind;
    page->name = name;
    /* OpenMetrics knows a counter by its name without _total. */
    buf_addf(&page->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
             taken && page->openmetrics ? "unknown" : kinds[kind]);
}

static void begin_sample(struct metrics_page *page, const char *suffix,
                         const struct metrics_labels *labels)
{
    buf_addf(&page->out, "%s%s", page->name, suffix);
    if (labels && *labels->text)
        buf_addf(&page->out, "{%s}", labels->text);
    buf_add_char(&page->out, ' ');
}

static void end_sample(struct metrics_page *page, double value)
{
    add_number(&page->out, value);
    buf_add_char(&page->out, '\n');
}

void metrics_sample(struct metrics_page *page, const struct metrics_labels *labels, double value)
{
    bool counts = page->kind == METRICS_COUNTER || page->kind == METRICS_COUNTER_OF_TAKEN;

    begin_sample(page, counts ? "_total" : "", labels);
    end_sample(page, value);
}

static void add_bound(const struct metrics_page *page, const struct metrics_histogram *histogram,
                      size_t i, struct metrics_labels *labels)
{
    char text[40] = "+Inf";

    if (i < histogram->n)
        (void) snprintf(text, sizeof(text), "%.15g", histogram->bounds[i]);
    if (i < histogram->n && page->openmetrics && !strpbrk(text, ".e"))
        (void) strncat(text, ".0", sizeof(text) - strlen(text) - 1);
    metrics_label(labels, "le", text);
}

static void add_exemplar(struct metrics_page *page, const struct metrics_histogram *histogram,
                         size_t i)
{
    const struct metrics_exemplar *exemplar =
        histogram->exemplars ? &histogram->exemplars[i] : NULL;

    if (!page->openmetrics || !exemplar || exemplar->wall_ms == 0)
        return;
    buf_addf(&page->out, " # {job_id=\"%" PRId64 "\"} ", exemplar->job_id);
    add_number(&page->out, exemplar->value);
    buf_addf(&page->out, " %" PRId64 ".%03" PRId64, exemplar->wall_ms / 1000,
             exemplar->wall_ms % 1000);
}

void metrics_sample_histogram(struct metrics_page *page, const struct metrics_labels *labels,
                              const struct metrics_histogram *histogram)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= histogram->n; i++) {
        struct metrics_labels bucket = { 0 };

        if (labels)
            bucket = *labels;
        add_bound(page, histogram, i, &bucket);
        begin_sample(page, "_bucket", &bucket);
        sum += histogram->counts[i];
        buf_addf(&page->out, "%" PRIu64, sum);
        add_exemplar(page, histogram, i);
        buf_add_char(&page->out, '\n');
    }
    begin_sample(page, "_sum", labels);
    end_sample(page, histogram->sum);
    begin_sample(page, "_count", labels);
    end_sample(page, (double) sum);
}

void metrics_end(struct metrics_page *page)
{
    if (page->openmetrics)
        buf_add_str(&page->out, "# EOF\n");
}
