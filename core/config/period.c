/* core/config/period.c - reading a period and asking it (period.h). */
#include "core/config/period.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define FIELDS 5
#define FIELDS_LONG 7
#define SHOWN_MAX 40
#define ITEM_SIZE 48 /* no item that means something is as long */
#define WEEKDAY_SUNDAY_AGAIN 7

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = {
    "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

struct field {
    const char *name;
    int min, max;
    const char *const *names; /* the first one is `min` */
};
static const struct field fields[FIELDS] = {
    { "minute", 0, 59, NULL },           { "hour", 0, 23, NULL },
    { "day of the month", 1, 31, NULL }, { "month", 1, 12, month_names },
    { "weekday", 0, 7, weekday_names },
};

/* What one field holds. */
struct values {
    uint64_t bits;
    bool starred; /* '*' is in it: it restricts nothing, whatever its step */
};

/* One item of a list, cut into its parts. */
struct item {
    const char *text;
    char *first, *last, *step; /* NULL = not given */
};

static int refuse(const struct field *field, const char *text, struct error *err, const char *what)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), SHOWN_MAX);
    return error_set(err, -EINVAL, "%s \"%s\" %s", field->name, buf_str(&shown), what);
}

static int refuse_range(const struct field *field, const char *text, struct error *err)
{
    char what[96];

    (void) snprintf(what, sizeof(what), "is not in %d-%d%s%s", field->min, field->max,
                    field->names == month_names     ? " or jan-dec"
                    : field->names == weekday_names ? " or sun-sat"
                                                    : "",
                    *text ? "" : ": a number is missing");
    return refuse(field, text, err, what);
}

static int read_value(const struct field *field, const char *text, int *ret, struct error *err)
{
    int64_t number;

    for (int i = 0; field->names && field->names[i]; i++)
        if (strcasecmp(field->names[i], text) == 0) {
            *ret = field->min + i;
            return 0;
        }
    /* Digits alone: no sign, no space. */
    if (!*text || text[strspn(text, "0123456789")] ||
        parse_i64(text, field->min, field->max, &number) < 0)
        return refuse_range(field, text, err);
    *ret = (int) number;
    return 0;
}

/* "22-6" of hours: 22-23,0-6 is meant. */
static int refuse_backwards(const struct field *field, const struct item *item, struct error *err)
{
    char what[96];

    (void) snprintf(what, sizeof(what), "runs backwards; %s-%d,%d-%s goes over the end",
                    item->first, field->names == weekday_names ? 6 : field->max, field->min,
                    item->last);
    return refuse(field, item->text, err, what);
}

static int read_range(const struct field *field, const struct item *item, int *first, int *last,
                      struct error *err)
{
    int r = read_value(field, item->first, first, err);

    *last = *first;
    if (r < 0 || !item->last)
        return r;
    r = read_value(field, item->last, last, err);
    /* A week may end with its Sunday: mon-sun. */
    if (field->names == weekday_names && *last == 0 && *first > 0 && !isdigit(*item->last))
        *last = WEEKDAY_SUNDAY_AGAIN;
    if (r == 0 && *last < *first)
        r = refuse_backwards(field, item, err);
    return r;
}

static int read_step(const struct field *field, const struct item *item, int *ret,
                     struct error *err)
{
    int64_t step;

    if (!item->last && !str_eq(item->first, "*"))
        return refuse(field, item->text, err,
                      "has a step without a range; write \"*/2\" or \"1-9/2\"");
    if (item->step[strspn(item->step, "0123456789")] || parse_i64(item->step, 1, 999, &step) < 0)
        return refuse(field, item->text, err, "has a step that is not in 1-999");
    *ret = (int) step;
    return 0;
}

static int add_item(const struct field *field, const struct item *item, struct values *values,
                    struct error *err)
{
    int first = field->min, last = field->max, step = 1, r = 0;

    if (item->step)
        r = read_step(field, item, &step, err);
    if (r == 0 && str_eq(item->first, "*") && !item->last)
        values->starred = true;
    else if (r == 0)
        r = read_range(field, item, &first, &last, err);
    for (int at = first; at <= last && r == 0; at += step)
        values->bits |= UINT64_C(1) << at;
    return r;
}

/* Cuts `text` in two at the first `c`; NULL when there is none. */
static char *cut(char *text, char c)
{
    char *at = strchr(text, c);

    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

static int add_text(const struct field *field, const char *text, size_t len, struct values *values,
                    struct error *err)
{
    char whole[ITEM_SIZE], parts[ITEM_SIZE];
    struct item item = { .text = whole, .first = parts };

    (void) snprintf(whole, sizeof(whole), "%.*s", (int) MIN(len, sizeof(whole)), text);
    if (len >= sizeof(whole))
        return refuse_range(field, whole, err);
    memcpy(parts, whole, sizeof(parts));
    item.step = cut(parts, '/');
    item.last = cut(parts, '-');
    return add_item(field, &item, values, err);
}

static int read_field(const struct field *field, const char *text, size_t len,
                      struct values *values, struct error *err)
{
    const char *end = text + len;
    int r = 0;

    while (r == 0 && text) {
        const char *comma = memchr(text, ',', (size_t) (end - text));

        r = add_text(field, text, (size_t) ((comma ? comma : end) - text), values, err);
        text = comma ? comma + 1 : NULL;
    }
    return r;
}

static void compile(const struct values values[FIELDS], struct period *ret)
{
    uint64_t weekdays = values[4].bits;

    *ret = (struct period) {
        .minutes = values[0].bits,
        .hours = (uint32_t) values[1].bits,
        .days = (uint32_t) values[2].bits,
        .months = (uint16_t) values[3].bits,
        .weekdays = (uint8_t) ((weekdays | weekdays >> WEEKDAY_SUNDAY_AGAIN) & 0x7f),
        .either_day = !values[2].starred && !values[4].starred,
    };
}

/* `end` is that of a field. */
static int parse(const char *text, const char *end, struct period *ret, struct error *err)
{
    struct values values[FIELDS] = { 0 };
    size_t count = 0;
    int r = 0;

    for (text += strspn(text, " \t"); text < end && r == 0; count++) {
        size_t len = strcspn(text, " \t");

        if (count < FIELDS)
            r = read_field(&fields[count], text, len, &values[count], err);
        text += len;
        text += strspn(text, " \t");
    }
    if (r == 0 && count != FIELDS)
        return error_set(err, -EINVAL,
                         "it has %zu fields and needs five: minute, hour, day of the month, month "
                         "and weekday",
                         count);
    if (r == 0)
        compile(values, ret);
    return r;
}

int period_parse(const char *text, struct period *ret, struct error *err)
{
    return parse(text, text + strlen(text), ret, err);
}

/* `at` is one of the fields between spaces. */
static bool is_field(const char *at, const char *what)
{
    size_t len = strcspn(at, " \t");

    return len == strlen(what) && strncmp(at, what, len) == 0;
}

int period_shorten(const char *text, const char **ret, size_t *ret_len, struct error *err)
{
    const char *parts[FIELDS_LONG + 1], *last;
    size_t n = 0, first;

    for (text += strspn(text, " \t"); *text && n < ARRAY_LEN(parts); n++) {
        parts[n] = text;
        text += strcspn(text, " \t");
        text += strspn(text, " \t");
    }
    if (n < FIELDS || n > FIELDS_LONG)
        return error_set(err, -EINVAL,
                         "it has neither five fields nor six (with the year behind them) nor "
                         "seven (with seconds before them, too)");
    first = n == FIELDS_LONG ? 1 : 0;
    if (first == 1 && !is_field(parts[0], "*") && !is_field(parts[0], "0"))
        return error_set(err, -EINVAL,
                         "it tells seconds, which periods of flotilla do not; write '*' there");
    if (n > FIELDS && !is_field(parts[n - 1], "*"))
        return error_set(err, -EINVAL,
                         "it tells a year, which periods of flotilla do not; write '*' there");
    *ret = parts[first];
    last = parts[first + FIELDS - 1];
    *ret_len = (size_t) (last - *ret) + strcspn(last, " \t");
    return 0;
}

int period_parse_long(const char *text, struct period *ret, struct error *err)
{
    const char *five;
    size_t len;
    int r = period_shorten(text, &five, &len, err);

    return r < 0 ? r : parse(five, five + len, ret, err);
}

bool period_has_date(const struct period *period, int month, int day, int weekday)
{
    bool by_day = period->days >> day & 1, by_weekday = period->weekdays >> weekday & 1;

    return (period->months >> (month + 1) & 1) &&
           (period->either_day ? by_day || by_weekday : by_day && by_weekday);
}

bool period_is_always(const struct period *period)
{
    bool every_day = period->days == 0xfffffffe, every_weekday = period->weekdays == 0x7f;

    return period->minutes == (UINT64_C(1) << 60) - 1 && period->hours == (1U << DAY_HOURS) - 1 &&
           period->months == 0x1ffe &&
           (period->either_day ? every_day || every_weekday : every_day && every_weekday);
}

bool period_is_never(const struct period *period)
{
    static const int longest[] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (period->either_day)
        return false;
    for (int month = 1; month <= 12; month++)
        if ((period->months >> month & 1) && (period->days & ((2U << longest[month]) - 1)))
            return false;
    return true;
}

void period_add_minutes(const struct period *period, uint64_t ret[DAY_HOURS])
{
    for (int hour = 0; hour < DAY_HOURS; hour++)
        if (period->hours >> hour & 1)
            ret[hour] |= period->minutes;
}
