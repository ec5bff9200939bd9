/* core/exec/job_log.c - what GitLab's job page does with a log, in small: the last text after a
 * carriage return is what one sees, sections are folded away, escape sequences are colours or
 * nothing. */
#include "core/exec/job_log.h"

#include <string.h>

#include "core/base/str.h"

#define LINE_MAX_BYTES ((size_t) 64 * 1024)
#define ESCAPE '\x1b'

/* The length of the sequence that begins with ESC: CSI ones up to their last byte, others two
 * bytes. */
static size_t sequence_len(const char *at, const char *end)
{
    const char *last = at + 2;

    if (at + 1 >= end || at[1] != '[')
        return (size_t) MIN(end - at, 2);
    while (last < end && (unsigned char) *last < 0x40)
        last++;
    return (size_t) (MIN(last + 1, end) - at);
}

/* The terminal obeys control bytes in the middle of a sequence, too: a colour is one that has only
 * numbers before its last byte. */
static bool is_colour(const char *at, size_t len)
{
    return len > 2 && at[len - 1] == 'm' && strspn(at + 2, "0123456789;:") == len - 3;
}

/* U+0080 to U+009F, which some terminals obey. */
static bool is_c1(const char *at, const char *end)
{
    return (unsigned char) at[0] == 0xc2 && at + 1 < end && (unsigned char) at[1] < 0xa0;
}

static void clean(struct buf *out, const char *at, const char *end, bool colours)
{
    bool coloured = false;

    while (at < end) {
        size_t len = 1;

        if (*at == ESCAPE) {
            len = sequence_len(at, end);
            if (colours && is_colour(at, len)) {
                buf_add(out, at, len);
                coloured = true;
            }
        } else if (is_c1(at, end)) {
            len = 2;
        } else if (((unsigned char) *at >= ' ' && *at != 0x7f) || *at == '\t') {
            buf_add_char(out, *at);
        }
        at += len;
    }
    if (coloured)
        buf_add_str(out, "\x1b[0m");
}

/* Where "section_start:TIME:NAME" or "section_end:TIME:NAME" begins, which takes all up to the
 * carriage return `end`; `end` without one. It stands behind whatever a script left unfinished. */
static const char *find_marker(const char *at, const char *end)
{
    static const char *const words[] = { "section_start:", "section_end:" };

    for (; at < end; at++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            size_t len = strlen(words[i]);

            if ((size_t) (end - at) > len && memcmp(at, words[i], len) == 0 && at[len] >= '0' &&
                at[len] <= '9')
                return at;
        }
    return end;
}

static void give_line(struct job_log *log, const char *data, size_t len)
{
    autobuf struct buf shown = BUF_INIT;
    bool marker = false;

    for (const char *at = data, *end = data + len; at <= end;) {
        const char *stop = memchr(at, '\r', (size_t) (end - at));
        const char *text_end = stop ? find_marker(at, stop) : end;
        autobuf struct buf plain = BUF_INIT;

        clean(&plain, at, text_end, false);
        if (plain.len > 0) {
            buf_clear(&shown);
            clean(&shown, at, text_end, log->colours);
        }
        if (stop && text_end < stop) {
            marker = true;
            if (shown.len > 0)
                log->on_line(log->arg, buf_str(&shown));
            buf_clear(&shown);
        }
        at = stop ? stop + 1 : end + 1;
    }
    if (shown.len > 0 || !marker)
        log->on_line(log->arg, buf_str(&shown));
}

void job_log_add(struct job_log *log, const char *data, size_t len)
{
    const char *end = data + len;

    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t) (end - data));
        size_t part = newline ? (size_t) (newline - data) : (size_t) (end - data);

        part = MIN(part, LINE_MAX_BYTES - log->pending.len);
        buf_add(&log->pending, data, part);
        data += part;
        if (data < end && *data != '\n' && log->pending.len < LINE_MAX_BYTES)
            continue;
        if (data == end && log->pending.len < LINE_MAX_BYTES)
            return;
        give_line(log, buf_str(&log->pending), log->pending.len);
        buf_clear(&log->pending);
        data += data < end && *data == '\n';
    }
}

void job_log_end(struct job_log *log)
{
    if (log->pending.len > 0)
        give_line(log, buf_str(&log->pending), log->pending.len);
    buf_done(&log->pending);
}
