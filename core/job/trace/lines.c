/* core/job/trace/lines.c - what is put around text: timestamps and section marks.
 *
 * Streams meet behind this stage, so with timestamps a line is held until it is whole, ends in a
 * progress display (carriage return), is too long or the stream ends. The latter three add a line
 * feed of ours, and the next entry says with `+` that it continues this one.
 */
#include "core/job/trace/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/trace/utf8.h"

/* Makes "2026-11-23T10:00:00.000000Z 01O ". A year of more than four digits would break the fixed
 * width, so it is shown as the epoch. */
static void make_prefix(struct lines *lines, int64_t now_ms)
{
    time_t when = (time_t) (now_ms / 1000);
    char text[20];
    struct tm tm;

    if (now_ms < 0 || !gmtime_r(&when, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) != 19)
        (void) str_copy(text, sizeof(text), "1970-01-01T00:00:00");
    (void) snprintf(lines->prefix, sizeof(lines->prefix), "%s.%03u000Z %02x%c ", text,
                    (unsigned) (now_ms >= 0 ? now_ms % 1000 : 0), lines->stream & 0xff,
                    lines->type);
    lines->prefix_ms = now_ms;
}

static void add_prefix(struct lines *lines, int64_t now_ms, struct buf *out)
{
    if (lines->prefix[0] == '\0' || now_ms != lines->prefix_ms)
        make_prefix(lines, now_ms);
    lines->prefix[LINES_PREFIX - 1] = lines->continued ? '+' : ' ';
    buf_add(out, lines->prefix, LINES_PREFIX);
    lines->continued = false;
}

static void add_whole_lines(struct lines *lines, int64_t now_ms, const char *data, size_t len,
                            struct buf *out)
{
    while (len > 0) {
        const char *feed = memchr(data, '\n', len);
        size_t line = feed ? (size_t) (feed - data) + 1 : len;

        if (lines->held.len > 0) {
            buf_add(out, lines->held.data, lines->held.len);
            buf_clear(&lines->held);
        } else {
            add_prefix(lines, now_ms, out);
        }
        buf_add(out, data, line);
        data += line;
        len -= line;
    }
}

/* Writes the held text as an entry of its own, but keeps a character that is not complete. */
static void flush_entry(struct lines *lines, int64_t now_ms, struct buf *out)
{
    size_t tail = utf8_open_tail(lines->held.data, lines->held.len);
    char kept[4];

    memcpy(kept, lines->held.data + lines->held.len - tail, tail);
    buf_add(out, lines->held.data, lines->held.len - tail);
    buf_add_char(out, '\n');
    buf_clear(&lines->held);
    lines->continued = true;
    if (tail > 0) {
        add_prefix(lines, now_ms, &lines->held);
        buf_add(&lines->held, kept, tail);
    }
}

void lines_write(struct lines *lines, const char *data, size_t len, struct buf *out)
{
    const char *feed;
    size_t whole;
    int64_t now_ms;

    if (!lines->timestamps) {
        buf_add(out, data, len);
        return;
    }
    if (len == 0)
        return;
    now_ms = clock_wall_ms(lines->clock);
    feed = memrchr(data, '\n', len);
    whole = feed ? (size_t) (feed - data) + 1 : 0;
    add_whole_lines(lines, now_ms, data, whole, out);
    if (whole == len)
        return;
    if (lines->held.len == 0)
        add_prefix(lines, now_ms, &lines->held);
    buf_add(&lines->held, data + whole, len - whole);
    if (buf_error(&lines->held) < 0)
        out->error = buf_error(&lines->held);
    else if (lines->held.len > LINES_HELD_MAX || memchr(data + whole, '\r', len - whole))
        flush_entry(lines, now_ms, out);
}

void lines_end(struct lines *lines, struct buf *out)
{
    if (lines->held.len > 0) {
        buf_add(out, lines->held.data, lines->held.len);
        buf_add_char(out, '\n');
        buf_clear(&lines->held);
    }
    lines->continued = false;
}

void lines_done(struct lines *lines)
{
    buf_done(&lines->held);
}

void sections_done(struct sections *sections)
{
    for (size_t i = 0; i < sections->count; i++)
        free(sections->names[i]);
    sections->count = 0;
}

/* GitLab reads names of [A-Za-z0-9_.-] only; a step may be called otherwise. */
static void add_mark(const char *kind, const char *name, int64_t unix_s, struct buf *out)
{
    buf_addf(out, "section_%s:%lld:", kind, (long long) unix_s);
    for (; *name; name++) {
        char c = *name;
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '.' || c == '-';

        buf_add_char(out, plain ? c : '_');
    }
    buf_add_str(out, "\r\033[0K");
}

int sections_start(struct sections *sections, const char *name, int64_t unix_s, struct buf *out)
{
    char *copy;

    if (sections->count == SECTIONS_MAX || str_empty(name) || strlen(name) > SECTION_NAME_MAX)
        return 0;
    copy = mem_strdup(name);
    if (!copy)
        return -ENOMEM;
    sections->names[sections->count++] = copy;
    add_mark("start", name, unix_s, out);
    return buf_error(out);
}

int sections_end(struct sections *sections, const char *name, int64_t unix_s, struct buf *out)
{
    for (size_t i = sections->count; i > 0; i--) {
        if (!str_eq(sections->names[i - 1], name))
            continue;
        free(sections->names[i - 1]);
        memmove(&sections->names[i - 1], &sections->names[i],
                (sections->count - i) * sizeof(sections->names[0]));
        sections->count--;
        add_mark("end", name, unix_s, out);
        return buf_error(out);
    }
    return 0;
}
