/* helper/say.c - see say.h. */
#include "helper/say.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define PADDED 50
#define LINE_MAX_BYTES 16384
#define RESET "\033[0;m"

static const struct {
    const char *color, *prefix;
} looks[] = { [SAY_FATAL] = { "\033[31;1m", "FATAL: " },
              [SAY_ERROR] = { "\033[31;1m", "ERROR: " },
              [SAY_WARNING] = { "\033[0;33m", "WARNING: " },
              [SAY_INFO] = { "", "" },
              [SAY_DEBUG] = { "\033[37;1m", "" } };

static enum say_level shown = SAY_INFO;

void say_set_level(enum say_level most)
{
    shown = most;
}

int say_parse_level(const char *text, enum say_level *ret)
{
    static const struct {
        const char *name;
        enum say_level level;
    } names[] = { { "debug", SAY_DEBUG },     { "info", SAY_INFO },   { "warn", SAY_WARNING },
                  { "warning", SAY_WARNING }, { "error", SAY_ERROR }, { "fatal", SAY_FATAL },
                  { "panic", SAY_FATAL } };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(text, names[i].name)) {
            *ret = names[i].level;
            return 0;
        }
    return -EINVAL;
}

static size_t characters(const struct buf *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->len; i++)
        n += ((unsigned char) text->data[i] & 0xc0) != 0x80;
    return n;
}

/* The colour ends behind the padding, as the peer's does. */
static void add_message(struct buf *line, enum say_level level, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);
static void add_message(struct buf *line, enum say_level level, const char *fmt, va_list args)
{
    autobuf struct buf raw = BUF_INIT;
    autobuf struct buf message = BUF_INIT;
    size_t room = PADDED - strlen(looks[level].prefix);

    buf_vaddf(&raw, fmt, args);
    str_display(&message, buf_str(&raw), raw.len, LINE_MAX_BYTES);
    buf_addf(line, "%s%s%s", looks[level].color, looks[level].prefix, buf_str(&message));
    for (size_t n = characters(&message); n < room; n++)
        buf_add_char(line, ' ');
    buf_add_str(line, RESET " ");
}

static void write_line(enum say_level level, const struct say_field *fields, size_t n_fields,
                       const char *fmt, va_list args) PRINTF_LIKE(4, 0);
static void write_line(enum say_level level, const struct say_field *fields, size_t n_fields,
                       const char *fmt, va_list args)
{
    autobuf struct buf line = BUF_INIT;

    if (level > shown)
        return;
    add_message(&line, level, fmt, args);
    for (size_t i = 0; i < n_fields; i++) {
        if (str_empty(fields[i].value))
            continue;
        buf_addf(&line, " %s=", fields[i].key);
        str_display(&line, fields[i].value, strlen(fields[i].value), LINE_MAX_BYTES);
    }
    buf_add_char(&line, '\n');
    (void) fs_write_all(STDERR_FILENO, buf_str(&line), line.len);
}

void say(enum say_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(level, NULL, 0, fmt, args);
    va_end(args);
}

int say_fatal(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(SAY_FATAL, NULL, 0, fmt, args);
    va_end(args);
    return 1;
}

void say_with(enum say_level level, const struct say_field *fields, size_t n_fields,
              const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(level, fields, n_fields, fmt, args);
    va_end(args);
}

static void on_report(void *ctx, enum report_level level, const char *sentence)
{
    static const enum say_level levels[] = {
        [REPORT_INFO] = SAY_INFO, [REPORT_WARNING] = SAY_WARNING, [REPORT_ERROR] = SAY_ERROR
    };

    (void) ctx;
    say(levels[level], "%s", sentence);
}

const struct report say_report = { .say = on_report };
