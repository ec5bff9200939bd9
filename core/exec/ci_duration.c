/* core/exec/ci_duration.c - numbers, each with its unit; a number without one is seconds. */
#include "core/exec/ci_duration.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"

#define DURATION_MAX_S ((int64_t) 366 * 24 * 3600)

static int64_t unit_seconds(const char *word)
{
    static const struct {
        const char *word;
        int64_t seconds;
    } units[] = {
        { "", 1 },
        { "s", 1 },
        { "sec", 1 },
        { "secs", 1 },
        { "second", 1 },
        { "seconds", 1 },
        { "m", 60 },
        { "min", 60 },
        { "mins", 60 },
        { "minute", 60 },
        { "minutes", 60 },
        { "h", 3600 },
        { "hr", 3600 },
        { "hrs", 3600 },
        { "hour", 3600 },
        { "hours", 3600 },
        { "d", 24 * 3600 },
        { "day", 24 * 3600 },
        { "days", 24 * 3600 },
        { "w", 7 * 24 * 3600 },
        { "week", 7 * 24 * 3600 },
        { "weeks", 7 * 24 * 3600 },
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcasecmp(word, units[i].word) == 0)
            return units[i].seconds;
    return 0;
}

/* Copies what stands at *at and moves on; what is longer than a number or a unit is cut, and is
 * neither. */
static void take_word(const char **at, const char *characters, char word[16])
{
    size_t len = strspn(*at, characters);

    memcpy(word, *at, MIN(len, (size_t) 15));
    word[MIN(len, (size_t) 15)] = '\0';
    *at += len;
}

int ci_duration_parse(const char *text, int64_t *ret_s)
{
    static const char space[] = " ,\t";
    int64_t total = 0;
    const char *at = text + strspn(text, space);

    if (!*at)
        return -EINVAL;
    while (*at) {
        char number[16], unit[16];
        int64_t count, seconds;

        if (strncasecmp(at, "and ", 4) == 0 && total > 0)
            at += 4;
        take_word(&at, "0123456789", number);
        at += strspn(at, " \t");
        take_word(&at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", unit);
        at += strspn(at, space);
        seconds = unit_seconds(unit);
        if (seconds == 0 || parse_i64(number, 0, DURATION_MAX_S, &count) < 0 ||
            count > (DURATION_MAX_S - total) / seconds)
            return -EINVAL;
        total += count * seconds;
    }
    if (total == 0)
        return -EINVAL;
    *ret_s = total;
    return 0;
}
