/* core/exec/ci_regex.c - PCRE2 behind one call. GitLab's engine is RE2, whose patterns are a part of
 * PCRE2's but for a few; what PCRE2 alone can do costs time, so that is limited. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "core/exec/ci_regex.h"

#include <errno.h>
#include <pcre2.h>
#include <string.h>

#include "core/base/str.h"

#define PATTERN_MAX 4096
#define MATCH_LIMIT 1000000
#define DEPTH_LIMIT 1000

static const char flags_known[] = "ismU";

bool ci_regex_is_pattern(const char *text)
{
    const char *last = *text == '/' ? strrchr(text, '/') : NULL;

    return last && last > text && strspn(last + 1, flags_known) == strlen(last + 1);
}

static uint32_t options_of(const char *flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;

    for (; *flags; flags++) {
        options |= *flags == 'i' ? PCRE2_CASELESS : 0;
        options |= *flags == 's' ? PCRE2_DOTALL : 0;
        options |= *flags == 'm' ? PCRE2_MULTILINE : 0;
        options |= *flags == 'U' ? PCRE2_UNGREEDY : 0;
    }
    return options;
}

static int match(const pcre2_code *code, const char *pattern, const char *subject,
                 struct error *err)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int r = -ENOMEM;

    if (data && limits) {
        (void) pcre2_set_match_limit(limits, MATCH_LIMIT);
        (void) pcre2_set_depth_limit(limits, DEPTH_LIMIT);
        r = pcre2_match(code, (PCRE2_SPTR) subject, strlen(subject), 0, 0, data, limits);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
        return r >= 0;
    return r == -ENOMEM ? error_set(err, r, "out of memory")
                        : error_set(err, -EINVAL,
                                    "the pattern %.100s takes too long here, or the text is no "
                                    "UTF-8",
                                    pattern);
}

int ci_regex_match(const char *pattern, const char *subject, struct error *err)
{
    const char *last = strrchr(pattern, '/');
    pcre2_code *code;
    int problem = 0, r;
    PCRE2_SIZE offset = 0;

    if (!ci_regex_is_pattern(pattern))
        return error_set(err, -EINVAL,
                         "'%.100s' is no pattern; one is written /re/, with the flags i, s, m or U "
                         "behind it",
                         pattern);
    if (strlen(pattern) > PATTERN_MAX)
        return error_set(err, -EINVAL, "a pattern is longer than %d bytes", PATTERN_MAX);
    code = pcre2_compile((PCRE2_SPTR) pattern + 1, (size_t) (last - pattern - 1),
                         options_of(last + 1), &problem, &offset, NULL);
    if (!code) {
        PCRE2_UCHAR words[128] = "";

        (void) pcre2_get_error_message(problem, words, sizeof(words));
        return error_set(err, -EINVAL, "the pattern %.100s is broken behind %zu byte%s: %s",
                         pattern, (size_t) offset, str_plural(offset), (const char *) words);
    }
    r = match(code, pattern, subject, err);
    pcre2_code_free(code);
    return r;
}
