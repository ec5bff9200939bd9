/* core/base/regex.c - see regex.h. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "core/base/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <string.h>

#include "core/base/str.h"

#define TEXT_MAX 4096
#define DEPTH_LIMIT 1000

static uint32_t options_of(const char *flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;

    for (; *flags; flags++) {
        options |= *flags == 'i' ? PCRE2_CASELESS : 0;
        options |= *flags == 's' ? PCRE2_DOTALL : 0;
        options |= *flags == 'm' ? PCRE2_MULTILINE : 0;
        options |= *flags == 'U' ? PCRE2_UNGREEDY : 0;
    }
    return options;
}

static int refuse(int problem, size_t offset, struct error *err)
{
    PCRE2_UCHAR words[128] = "";

    if (problem == PCRE2_ERROR_HEAP_FAILED)
        return error_set(err, -ENOMEM, "out of memory");
    (void) pcre2_get_error_message(problem, words, sizeof(words));
    return error_set(err, -EINVAL, "broken behind %zu byte%s: %s", offset, str_plural(offset),
                     (const char *) words);
}

/* struct regex is PCRE2's own. */
static struct regex *wrap(pcre2_code *code)
{
    return (struct regex *) code;
}

static const pcre2_code *unwrap(const struct regex *regex)
{
    return (const pcre2_code *) regex;
}

int regex_new(const char *text, size_t len, const char *flags, struct regex **ret,
              struct error *err)
{
    pcre2_code *code;
    int problem = 0;
    PCRE2_SIZE offset = 0;

    if (len > TEXT_MAX)
        return error_set(err, -EINVAL, "longer than %d bytes", TEXT_MAX);
    code = pcre2_compile((PCRE2_SPTR) text, len, options_of(flags), &problem, &offset, NULL);
    if (!code)
        return refuse(problem, offset, err);
    *ret = wrap(code);
    return 0;
}

void regex_free(struct regex *regex)
{
    pcre2_code_free((pcre2_code *) regex);
}

int regex_match(const struct regex *regex, const char *text, uint32_t steps_max, struct error *err)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(unwrap(regex), NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int r = PCRE2_ERROR_NOMEMORY;

    if (data && limits) {
        (void) pcre2_set_match_limit(limits, steps_max);
        (void) pcre2_set_depth_limit(limits, DEPTH_LIMIT);
        r = pcre2_match(unwrap(regex), (PCRE2_SPTR) text, strlen(text), 0, 0, data, limits);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
        return r >= 0;
    return r == PCRE2_ERROR_NOMEMORY
               ? error_set(err, -ENOMEM, "out of memory")
               : error_set(err, -EINVAL, "takes too long here, or the text is no UTF-8");
}
