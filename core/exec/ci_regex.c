/* core/exec/ci_regex.c - see ci_regex.h; GitLab's engine is RE2 (core/base/regex.h). */
#include "core/exec/ci_regex.h"

#include <errno.h>
#include <string.h>

#include "core/base/regex.h"
#include "core/base/str.h"

static const char flags_known[] = "ismU";

bool ci_regex_is_pattern(const char *text)
{
    const char *last = *text == '/' ? strrchr(text, '/') : NULL;

    return last && last > text && strspn(last + 1, flags_known) == strlen(last + 1);
}

int ci_regex_match(const char *pattern, const char *subject, struct error *err)
{
    auto_ptr(regex_free) struct regex *regex = NULL;
    const char *last = strrchr(pattern, '/');
    struct error why = { 0 };
    int r;

    if (!ci_regex_is_pattern(pattern))
        return error_set(err, -EINVAL,
                         "'%.100s' is no pattern; one is written /re/, with the flags i, s, m or U "
                         "behind it",
                         pattern);
    r = regex_new(pattern + 1, (size_t) (last - pattern - 1), last + 1, &regex, &why);
    if (r < 0)
        return error_set(err, r, "the pattern %.100s is %s", pattern, why.message);
    r = regex_match(regex, subject, REGEX_STEPS_MAX, &why);
    return r < 0 ? error_set(err, r, "the pattern %.100s %s", pattern, why.message) : r;
}
