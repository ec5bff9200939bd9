/* core/job/trace/url_rules.c - ?private_token=… and its kin, behind the masker (hardening.md M5).
 *
 * A name follows `?` or `&`; the value is masked from `=` on, so the mask can be written before
 * the value arrives, also when it is empty.
 */
#include "core/job/trace/url_rules.h"

#include <string.h>

#include "core/base/str.h"
#include "core/job/trace/masker.h"

static const char *const secret_names[] = {
    "private_token",
    "authenticity_token",
    "rss_token",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    /* Of the other stores' signed URLs, which the peer shows. */
    "x-goog-signature",
    "x-goog-credential",
    "sig",
};

static bool is_secret_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(secret_names); i++)
        if (strlen(secret_names[i]) == len && memcmp(secret_names[i], name, len) == 0)
            return true;
    return false;
}

/* The place of the first `?` or `&`, or `len`. Most text has neither, and memchr() is fast; by windows,
 * or text full of one would be searched for the other again and again. */
static size_t find_mark(const char *data, size_t len)
{
    for (size_t at = 0, window; at < len; at += window) {
        const char *question, *and;

        window = MIN(len - at, (size_t) 512);
        question = memchr(data + at, '?', window);
        and = memchr(data + at, '&', question ? (size_t) (question - data) - at : window);
        if (and || question)
            return (size_t) ((and? and : question) - data);
    }
    return len;
}

/* Before the next parameter's name: to behind the next `?` or `&`. */
static size_t pass_text(struct url_rules *rules, const char *data, size_t len)
{
    size_t at = find_mark(data, len);

    if (at == len)
        return len;
    rules->part = URL_NAME;
    rules->name_len = 0;
    return at + 1;
}

static size_t pass_name(struct url_rules *rules, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = data[i];

        if (c == '?' || c == '&') {
            rules->name_len = 0;
        } else if (c == '=' && is_secret_name(rules->name, rules->name_len)) {
            rules->part = URL_VALUE;
            return i + 1;
        } else if (c == '=' || rules->name_len == URL_NAME_MAX) {
            rules->part = URL_TEXT;
            return i + 1;
        } else {
            rules->name[rules->name_len++] = (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
    }
    return len;
}

static size_t skip_value(struct url_rules *rules, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) data[i];

        if (c <= ' ' || c == 0x7f || c == '?' || c == '&') {
            rules->part = URL_TEXT;
            return i;
        }
    }
    return len;
}

void url_rules_write(struct url_rules *rules, const char *data, size_t len, struct buf *out)
{
    for (size_t at = 0, end; at < len; at = end) {
        const char *from = data + at;

        if (rules->part == URL_VALUE) {
            end = at + skip_value(rules, from, len - at);
            continue;
        }
        end = at + (rules->part == URL_TEXT ? pass_text(rules, from, len - at)
                                            : pass_name(rules, from, len - at));
        buf_add(out, from, end - at);
        if (rules->part == URL_VALUE)
            buf_add(out, MASK_TEXT, sizeof(MASK_TEXT) - 1);
    }
}
