/* core/job/trace/token_rules.c - glpat-… and its kin, behind the masker (hardening.md M5, M6).
 *
 * The prefix stays and the run of token characters behind it becomes one [MASKED]; a prefix that no
 * such character follows is ordinary text.
 */
#include "core/job/trace/token_rules.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/trace/masker.h"

static const char *const default_prefixes[] = {
    "gloas-", "gldt-",    "glrt-",   "glcbt-",  "glrtr-",           "glptt-", "glft-",
    "glimt-", "glagent-", "glsoat-", "glffct-", "_gitlab_session=", "gltok-",
};

static int compare_prefixes(const void *left, const void *right)
{
    const char *a = *(const char *const *) left, *b = *(const char *const *) right;
    size_t a_len = strlen(a), b_len = strlen(b);

    return a_len != b_len ? (a_len > b_len) - (a_len < b_len) : strcmp(a, b);
}

/* All prefixes in upstream's order, borrowed; how many in *count. */
static const char **list_prefixes(bool all_default, const char *const *extra, size_t n_extra,
                                  size_t *count)
{
    const char **list = mem_array(1 + ARRAY_LEN(default_prefixes) + n_extra, sizeof(*list));
    size_t n = 0;

    if (!list)
        return NULL;
    list[n++] = "glpat-";
    for (size_t i = 0; all_default && i < ARRAY_LEN(default_prefixes); i++)
        list[n++] = default_prefixes[i];
    for (size_t i = 0; i < n_extra; i++)
        if (!str_empty(extra[i]) && strlen(extra[i]) <= AUTOMATON_HEAD_MAX)
            list[n++] = extra[i];
    qsort(list, n, sizeof(*list), compare_prefixes);
    *count = n;
    return list;
}

int token_prefixes_init(struct token_prefixes *prefixes, bool all_default, const char *const *extra,
                        size_t n_extra)
{
    size_t count = 0;
    autofree const char **list = list_prefixes(all_default, extra, n_extra, &count);
    int rc = list ? 0 : -ENOMEM;

    *prefixes = (struct token_prefixes) { 0 };
    for (size_t i = 0; i < count && prefixes->patterns.count < TOKEN_PREFIXES_MAX && rc == 0; i++)
        if (i == 0 || strcmp(list[i], list[i - 1]) != 0)
            rc = patterns_append(&prefixes->patterns, list[i], strlen(list[i]));
    if (rc == 0) {
        patterns_sort(&prefixes->patterns);
        prefixes->automaton = automaton_new(&prefixes->patterns, AUTOMATON_HEAD_MAX);
        rc = prefixes->automaton ? 0 : -ENOMEM;
    }
    if (rc < 0)
        token_prefixes_done(prefixes);
    return rc;
}

void token_prefixes_done(struct token_prefixes *prefixes)
{
    automaton_free(prefixes->automaton);
    patterns_done(&prefixes->patterns);
    *prefixes = (struct token_prefixes) { 0 };
}

static bool is_token_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '=' || c == '-';
}

static size_t pass_text(struct token_rules *rules, const char *data, size_t at, size_t len)
{
    const struct automaton *automaton = rules->prefixes->automaton;
    size_t end = automaton_scan(automaton, &rules->state, (const unsigned char *) data, at, len);

    if (automaton_hit(automaton, rules->state))
        rules->part = TOKEN_PREFIX_SEEN;
    return end;
}

void token_rules_write(struct token_rules *rules, const char *data, size_t len, struct buf *out)
{
    size_t at = 0;

    while (at < len) {
        if (rules->part == TOKEN_TEXT) {
            size_t end = pass_text(rules, data, at, len);

            buf_add(out, data + at, end - at);
            at = end;
        } else if (rules->part == TOKEN_PREFIX_SEEN && is_token_char(data[at])) {
            buf_add(out, MASK_TEXT, sizeof(MASK_TEXT) - 1);
            rules->part = TOKEN_BODY;
        } else if (rules->part == TOKEN_BODY && is_token_char(data[at])) {
            at++;
        } else {
            /* Behind a bare prefix a longer one may be on its way; behind a token nothing is. */
            if (rules->part == TOKEN_BODY)
                rules->state = 0;
            rules->part = TOKEN_TEXT;
        }
    }
}
