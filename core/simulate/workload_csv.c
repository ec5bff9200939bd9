/* core/simulate/workload_csv.c - jobs from a table: a line a job, with the columns arrival and
 * duration (workload.h). */
#include <errno.h>
#include <math.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/when.h"
#include "core/simulate/workload.h"

#define LINE_MAX_BYTES 4096
#define COLUMNS_MAX 64

struct table {
    const char *name;
    struct workload *workload;
    int64_t since_ms;         /* what seconds are counted from */
    size_t line;              /* from 1 */
    size_t arrival, duration; /* columns, from 0 */
};

static int bad_row(const struct table *table, const char *what, const char *text, struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), 60);
    return error_set(err, -EINVAL, "%s:%zu: '%s' is no %s", table->name, table->line,
                     buf_str(&shown), what);
}

static int read_arrival(const struct table *table, const char *text, int64_t *ret,
                        struct error *err)
{
    double seconds;

    if (when_parse(text, NULL, ret) == 0)
        return 0;
    if (parse_real(text, &seconds) < 0 || seconds > 1e11)
        return bad_row(table,
                       "arrival: it is a time such as 2026-05-04T12:00:00Z, or a number of seconds "
                       "since the start",
                       text, err);
    *ret = table->since_ms + llround(seconds * 1000);
    return 0;
}

static int read_duration(const struct table *table, const char *text, int64_t *ret,
                         struct error *err)
{
    double seconds;

    if (parse_real(text, &seconds) == 0 && seconds < 1e11) {
        *ret = llround(seconds * 1000);
        return 0;
    }
    if (parse_period_ms(text, ret) == 0)
        return 0;
    return bad_row(table, "duration: it is a number of seconds, or a time such as 5m30s", text,
                   err);
}

/* Splits in place; a field may stand in quotes. */
static size_t split(char *line, char **ret_fields, size_t max)
{
    size_t n = 0;

    for (char *at = line; at && n < max;) {
        char *comma = strchr(at, ','), *end;

        if (comma)
            *comma = '\0';
        at += strspn(at, " \t\"");
        for (end = at + strlen(at); end > at && strchr(" \t\r\"", end[-1]);)
            *--end = '\0';
        ret_fields[n++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return n;
}

/* Does the first row name the columns? */
static bool read_header(struct table *table, char *const *fields, size_t n)
{
    bool arrival = false, duration = false;

    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(fields[i], "arrival") == 0) {
            table->arrival = i;
            arrival = true;
        } else if (strcasecmp(fields[i], "duration") == 0) {
            table->duration = i;
            duration = true;
        }
    }
    return arrival && duration;
}

static int read_row(struct table *table, char *line, bool first, struct error *err)
{
    char *fields[COLUMNS_MAX];
    size_t n = split(line, fields, COLUMNS_MAX);
    int64_t arrival = 0, duration = 0;
    int r;

    if (n == 1 && !*fields[0])
        return 0; /* an empty line */
    if (first && read_header(table, fields, n))
        return 0;
    if (n <= MAX(table->arrival, table->duration))
        return error_set(err, -EINVAL, "%s:%zu: a row needs an arrival and a duration", table->name,
                         table->line);
    r = read_arrival(table, fields[table->arrival], &arrival, err);
    if (r == 0)
        r = read_duration(table, fields[table->duration], &duration, err);
    if (r == 0 && workload_add(table->workload, arrival, duration) < 0)
        r = error_set(err, -ENOMEM, "%s: too many jobs", table->name);
    return r;
}

int workload_read_csv(struct workload *workload, const char *text, size_t len, const char *name,
                      struct error *err)
{
    struct table table = {
        .name = name,
        .workload = workload,
        .since_ms = workload->begin_ms ? workload->begin_ms : WORKLOAD_BEGIN_MS,
        .duration = 1,
    };
    const char *end = text + len;
    int r = 0;

    while (r == 0 && text < end) {
        const char *newline = memchr(text, '\n', (size_t) (end - text));
        size_t length = (size_t) ((newline ? newline : end) - text);
        autofree char *line = mem_strndup(text, length);

        table.line++;
        if (!line)
            return error_set(err, -ENOMEM, "%s: out of memory", name);
        if (length > LINE_MAX_BYTES || strlen(line) != length)
            return error_set(err, -EINVAL, "%s:%zu: this is no line of text", name, table.line);
        r = read_row(&table, line, table.line == 1, err);
        text += length + 1;
    }
    return r;
}
