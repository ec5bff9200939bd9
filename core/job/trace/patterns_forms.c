/* core/job/trace/patterns_forms.c - the forms in which programs print a secret (hardening.md M8).
 *
 * Forms that equal the secret or one another are dropped later by patterns_sort(). What is left out
 * is documented in M9: a job that transforms its secret in other ways shows it. Base64 that is
 * wrapped into lines is found up to the first line break only.
 */
#include "core/job/trace/patterns.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/secret.h"
#include "core/base/str.h"

static int add_form(struct patterns *out, struct buf *form)
{
    int rc = buf_error(form);

    if (rc == 0)
        rc = patterns_append(out, form->data, form->len);
    if (form->data)
        secret_wipe(form->data, form->len);
    buf_done(form);
    return rc;
}

/* Base64 of any text that has the secret at an offset of 0, 1 or 2 modulo 3. Only the characters
 * that depend on nothing but the secret: the neighbours' bits are in the first and last ones. */
static int add_base64(struct patterns *out, const unsigned char *data, size_t len,
                      const char *alphabet)
{
    for (size_t before = 0; before < 3; before++) {
        struct buf form = BUF_INIT;
        size_t first = (8 * before + 5) / 6, end = 8 * (before + len) / 6;
        int rc;

        for (size_t k = first; k < end; k++) {
            size_t bit = 6 * k - 8 * before, byte = bit / 8, shift = bit % 8;
            unsigned pair = (unsigned) data[byte] << 8 | (byte + 1 < len ? data[byte + 1] : 0u);

            buf_add_char(&form, alphabet[pair >> (10 - shift) & 63]);
        }
        rc = add_form(out, &form);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_percent(struct patterns *out, const unsigned char *data, size_t len,
                       const char *digits)
{
    struct buf form = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';

        if (plain) {
            buf_add_char(&form, (char) c);
        } else {
            char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

            buf_add(&form, escape, sizeof(escape));
        }
    }
    return add_form(out, &form);
}

static int add_json(struct patterns *out, const unsigned char *data, size_t len)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    struct buf form = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        const char *at = data[i] ? strchr(special, data[i]) : NULL;

        if (at) {
            char escape[2] = { '\\', letters[at - special] };

            buf_add(&form, escape, sizeof(escape));
        } else if (data[i] < 0x20) {
            buf_addf(&form, "\\u%04x", (unsigned) data[i]);
        } else {
            buf_add_char(&form, (char) data[i]);
        }
    }
    return add_form(out, &form);
}

/* What stands between the outer quotes when a shell with `set -x` prints the secret inside single
 * quotes: bash ends the quotes for an apostrophe and escapes it, dash and busybox put it in double
 * quotes. */
static int add_single_quoted(struct patterns *out, const unsigned char *data, size_t len,
                             const char *apostrophe)
{
    struct buf form = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\'')
            buf_add_str(&form, apostrophe);
        else
            buf_add_char(&form, (char) data[i]);
    }
    return add_form(out, &form);
}

/* The same inside $'…', which bash uses as soon as there is a control byte. */
static int add_ansi_quoted(struct patterns *out, const unsigned char *data, size_t len)
{
    static const char special[] = "\a\b\t\n\v\f\r\033'\\", letters[] = "abtnvfrE'\\";
    struct buf form = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        const char *at = data[i] ? strchr(special, data[i]) : NULL;

        if (at) {
            char escape[2] = { '\\', letters[at - special] };

            buf_add(&form, escape, sizeof(escape));
        } else if (data[i] < 0x20 || data[i] == 0x7f) {
            buf_addf(&form, "\\%03o", (unsigned) data[i]);
        } else {
            buf_add_char(&form, (char) data[i]);
        }
    }
    return add_form(out, &form);
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int add_lines(struct patterns *out, const unsigned char *data, size_t len)
{
    while (len > 0) {
        const unsigned char *line = data, *feed = memchr(data, '\n', len);
        size_t line_len = feed ? (size_t) (feed - data) : len;

        data += feed ? line_len + 1 : len;
        len -= feed ? line_len + 1 : len;
        while (line_len > 0 && is_space(line[line_len - 1]))
            line_len--;
        while (line_len > 0 && is_space(line[0])) {
            line++;
            line_len--;
        }
        if (line_len >= PATTERN_MIN_ENCODED) {
            int rc = patterns_append(out, line, line_len);

            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int add_crlf(struct patterns *out, const unsigned char *data, size_t len)
{
    struct buf form = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            buf_add_char(&form, '\r');
        buf_add_char(&form, (char) data[i]);
    }
    return add_form(out, &form);
}

static bool has_control(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] < 0x20 || data[i] == 0x7f)
            return true;
    return false;
}

int patterns_add_forms(struct patterns *out, const unsigned char *data, size_t len)
{
#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    int rc = add_base64(out, data, len, ALPHANUMERIC "+/");

    if (rc == 0)
        rc = add_base64(out, data, len, ALPHANUMERIC "-_");
    if (rc == 0)
        rc = add_percent(out, data, len, "0123456789ABCDEF");
    if (rc == 0)
        rc = add_percent(out, data, len, "0123456789abcdef");
    if (rc == 0)
        rc = add_json(out, data, len);
    if (rc == 0 && memchr(data, '\'', len))
        rc = add_single_quoted(out, data, len, "'\\''");
    if (rc == 0 && memchr(data, '\'', len))
        rc = add_single_quoted(out, data, len, "'\"'\"'");
    if (rc == 0 && has_control(data, len))
        rc = add_ansi_quoted(out, data, len);
    if (rc == 0 && memchr(data, '\n', len))
        rc = add_lines(out, data, len);
    if (rc == 0 && memchr(data, '\n', len))
        rc = add_crlf(out, data, len);
    return rc;
}
