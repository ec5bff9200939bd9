/* core/simulate/distribution.c - reading and drawing of the distributions of distribution.h. */
#include "core/simulate/distribution.h"

#include <math.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* A hundred years: what is drawn beyond it would only overflow sums. */
#define LONGEST_MS 3.2e12

enum second { NO_SECOND, SECOND_TIME, SECOND_NUMBER };

static const struct {
    const char *name;
    enum distribution_kind kind;
    enum second second;
} kinds[] = {
    { "fixed:", DISTRIBUTION_FIXED, NO_SECOND },
    { "uniform:", DISTRIBUTION_UNIFORM, SECOND_TIME },
    { "exponential:", DISTRIBUTION_EXPONENTIAL, NO_SECOND },
    { "lognormal:", DISTRIBUTION_LOGNORMAL, SECOND_NUMBER },
};

int parse_period_ms(const char *text, int64_t *ret)
{
    const char *days = strchr(text, 'd');
    autofree char *before = days ? mem_strndup(text, (size_t) (days - text)) : NULL;
    int64_t n = 0, rest = 0;

    if (days && (!before || parse_i64(before, 0, 36500, &n) < 0))
        return -EINVAL;
    if ((!days || days[1]) && (parse_duration_ms(days ? days + 1 : text, &rest) < 0 || rest < 0))
        return -EINVAL;
    *ret = n * 24 * 3600 * 1000 + rest;
    return 0;
}

static int read_second(enum second what, const char *text, double *ret)
{
    int64_t ms;

    if (what == NO_SECOND || !text)
        return what == NO_SECOND && !text ? 0 : -EINVAL;
    if (what == SECOND_NUMBER)
        return parse_real(text, ret);
    if (parse_period_ms(text, &ms) < 0)
        return -EINVAL;
    *ret = (double) ms;
    return 0;
}

int distribution_parse(const char *text, struct distribution *ret, struct error *err)
{
    struct distribution read = { .kind = DISTRIBUTION_FIXED };
    enum second second = NO_SECOND;
    const char *values = text, *comma;
    autofree char *first = NULL;
    int64_t ms = 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(text, kinds[i].name)) {
            read.kind = kinds[i].kind;
            second = kinds[i].second;
            values = text + strlen(kinds[i].name);
        }
    comma = strchr(values, ',');
    first = comma ? mem_strndup(values, (size_t) (comma - values)) : mem_strdup(values);
    if (!first)
        return error_set(err, -ENOMEM, "out of memory");
    if (parse_period_ms(first, &ms) < 0 ||
        read_second(second, comma ? comma + 1 : NULL, &read.second) < 0 ||
        (read.kind == DISTRIBUTION_UNIFORM && read.second < (double) ms))
        return error_set(err, -EINVAL,
                         "'%s' is no time: it is such as 40s, exponential:5m (the mean), "
                         "uniform:10s,60s (least, most) or lognormal:40s,0.3 (median, deviation)",
                         text);
    read.first_ms = (double) ms;
    *ret = read;
    return 0;
}

double draw_unit(const struct rng *rng)
{
    return (double) ((rng_u64(rng) >> 11) + 1) * 0x1p-53;
}

double draw_gap_ms(double rate, const struct rng *rng)
{
    return -log(draw_unit(rng)) / rate;
}

/* Box and Muller's way: two uniform numbers make one of the normal distribution. */
static double draw_normal(const struct rng *rng)
{
    double radius = sqrt(-2 * log(draw_unit(rng)));

    return radius * cos(2 * M_PI * draw_unit(rng));
}

int64_t distribution_draw_ms(const struct distribution *distribution, const struct rng *rng)
{
    double ms = distribution->first_ms;

    switch (distribution->kind) {
    case DISTRIBUTION_FIXED:
        break;
    case DISTRIBUTION_UNIFORM:
        ms += (distribution->second - ms) * draw_unit(rng);
        break;
    case DISTRIBUTION_EXPONENTIAL:
        ms *= -log(draw_unit(rng));
        break;
    case DISTRIBUTION_LOGNORMAL:
        ms *= exp(distribution->second * draw_normal(rng));
        break;
    }
    return llround(fmin(fmax(ms, 0), LONGEST_MS));
}
