/* core/base/log.c - lines for the operator, through a bounded queue that never blocks (log.h). */
#include "core/base/log.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/str.h"

#define QUEUE_MAX ((size_t) 256 * 1024)
#define SCOPES_MAX 8
#define MESSAGE_MAX 4096
#define SCOPE_SHOWN_MAX 256
#define RUNNER_COLUMNS 50

static uint64_t logged[LOG_LEVEL_DEBUG + 1]; /* lines, those that the level keeps back, too */
static const char *const level_names[] = { "error", "warning", "notice", "info", "debug" };
static const char *const format_names[] = { "text", "json", "runner" };

/* The logger is the process's one piece of global state: every line of the process goes here, also
 * those of a plugin's thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int fd;
    enum log_format format;
    enum log_level level;
    bool coloured; /* runner's lines on a terminal */
    struct buf queue;
    uint64_t dropped;
} logger = { .fd = 2, .level = LOG_LEVEL_INFO };

static __thread struct {
    char key[24], value[96];
} scopes[SCOPES_MAX];
static __thread int scope_depth;

void log_open(int fd, enum log_format format, enum log_level level)
{
    (void) pthread_mutex_lock(&lock);
    logger.fd = fd;
    logger.format = format;
    logger.level = level;
    logger.coloured = format == LOG_FORMAT_RUNNER && isatty(fd) == 1;
    (void) pthread_mutex_unlock(&lock);
}

int log_parse_level(const char *text, enum log_level *ret)
{
    if (str_eq(text, "warn"))
        text = "warning";
    if (str_eq(text, "fatal") || str_eq(text, "panic"))
        text = "error";
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_eq(text, level_names[i])) {
            *ret = (enum log_level) i;
            return 0;
        }
    return -EINVAL;
}

int log_parse_format(const char *text, enum log_format *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(format_names); i++)
        if (str_eq(text, format_names[i])) {
            *ret = (enum log_format) i;
            return 0;
        }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

const char *log_format_name(enum log_format format)
{
    return format_names[format];
}

bool log_enabled(enum log_level level)
{
    return level <= logger.level;
}

/* Writes what the descriptor takes at this moment and keeps the rest. */
static void flush_queue(void)
{
    while (logger.queue.len > 0) {
        struct pollfd ready = { .fd = logger.fd, .events = POLLOUT };
        size_t n = MIN(logger.queue.len, (size_t) PIPE_BUF);
        ssize_t written;

        /* A pipe that polls writable takes PIPE_BUF bytes without blocking. */
        if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
            return;
        written = write(logger.fd, logger.queue.data, n);
        if (written <= 0)
            return;
        buf_consume(&logger.queue, (size_t) written);
    }
}

void log_flush(void)
{
    (void) pthread_mutex_lock(&lock);
    flush_queue();
    (void) pthread_mutex_unlock(&lock);
}

static void format_time(char *text, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    (void) gmtime_r(&now.tv_sec, &tm);
    n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
    (void) snprintf(text + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static void add_text_line(struct buf *out, const char *when, const char *level, const char *topic,
                          const char *message)
{
    buf_addf(out, "%s %-7s %s: ", when, level, topic);
    str_display(out, message, strlen(message), MESSAGE_MAX);
    for (int i = 0; i < scope_depth; i++) {
        buf_addf(out, " %s=", scopes[i].key);
        str_display(out, scopes[i].value, strlen(scopes[i].value), SCOPE_SHOWN_MAX);
    }
    buf_add_char(out, '\n');
}

static void add_json_line(struct buf *out, const char *when, const char *level, const char *topic,
                          const char *message)
{
    autojson json_t *line = json_object_new_object();
    autobuf struct buf clean = BUF_INIT;

    str_display(&clean, message, strlen(message), MESSAGE_MAX);
    if (!line)
        return;
    (void) json_add_str(line, "time", when);
    (void) json_add_str(line, "level", level);
    (void) json_add_str(line, "topic", topic);
    (void) json_add_str(line, "msg", buf_str(&clean));
    for (int i = 0; i < scope_depth; i++) {
        buf_clear(&clean);
        str_display(&clean, scopes[i].value, strlen(scopes[i].value), SCOPE_SHOWN_MAX);
        (void) json_add_str(line, scopes[i].key, buf_str(&clean));
    }
    buf_addf(out, "%s\n", json_text(line));
}

static int compare_scopes(const void *a, const void *b)
{
    return strcmp(scopes[*(const int *) a].key, scopes[*(const int *) b].key);
}

/* GitLab Runner's own lines (coordinator-protocol.md 6.7): no time and no topic, the message padded to 50
 * columns with what stands before it, the fields by their names. */
static void add_runner_line(struct buf *out, const char *when, const char *level, const char *topic,
                            const char *message)
{
    static const struct {
        const char *level, *prefix, *colour;
    } looks[] = { { "error", "ERROR: ", "\033[31;1m" },
                  { "warning", "WARNING: ", "\033[0;33m" },
                  { "debug", "", "\033[0;37;1m" } };
    const char *prefix = "", *colour = "", *reset = logger.coloured ? "\033[0;m" : "";
    autobuf struct buf clean = BUF_INIT;
    int order[SCOPES_MAX];

    (void) when;
    (void) topic;
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (str_eq(level, looks[i].level)) {
            prefix = looks[i].prefix;
            colour = logger.coloured ? looks[i].colour : "";
        }
    str_display(&clean, message, strlen(message), MESSAGE_MAX);
    buf_addf(out, "%s%s%-*s%s ", colour, prefix, (int) (RUNNER_COLUMNS - strlen(prefix)),
             buf_str(&clean), reset);
    for (int i = 0; i < scope_depth; i++)
        order[i] = i;
    qsort(order, (size_t) scope_depth, sizeof(*order), compare_scopes);
    for (int i = 0; i < scope_depth; i++) {
        buf_addf(out, " %s%s%s=", colour, scopes[order[i]].key, reset);
        str_display(out, scopes[order[i]].value, strlen(scopes[order[i]].value), SCOPE_SHOWN_MAX);
    }
    buf_add_char(out, '\n');
}

static void add_line(struct buf *out, const char *when, const char *level, const char *topic,
                     const char *message)
{
    static void (*const writers[])(struct buf *, const char *, const char *, const char *,
                                   const char *) = { [LOG_FORMAT_TEXT] = add_text_line,
                                                     [LOG_FORMAT_JSON] = add_json_line,
                                                     [LOG_FORMAT_RUNNER] = add_runner_line };

    writers[logger.format](out, when, level, topic, message);
}

static void queue_line(const struct buf *line)
{
    if (logger.queue.len + line->len > QUEUE_MAX || buf_error(line)) {
        logger.dropped++;
        return;
    }
    buf_add(&logger.queue, line->data, line->len);
    if (buf_error(&logger.queue)) {
        logger.queue.error = 0; /* the lines before it are whole and still wanted */
        logger.dropped++;
    }
}

/* Says how many lines were lost, once there is room again. */
static void queue_loss(const char *when)
{
    autobuf struct buf line = BUF_INIT;
    char note[96];

    if (logger.dropped == 0 || logger.queue.len >= QUEUE_MAX / 2)
        return;
    (void) snprintf(note, sizeof(note), "%" PRIu64 " log lines were dropped: stderr was blocked",
                    logger.dropped);
    add_line(&line, when, "warning", "log", note);
    logger.dropped = 0;
    queue_line(&line);
}

uint64_t log_count(enum log_level level)
{
    return __atomic_load_n(&logged[level], __ATOMIC_RELAXED);
}

void log_line(enum log_level level, const char *topic, const char *fmt, ...)
{
    autobuf struct buf message = BUF_INIT;
    autobuf struct buf line = BUF_INIT;
    char when[40];
    va_list args;

    (void) __atomic_add_fetch(&logged[level], 1, __ATOMIC_RELAXED);
    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    buf_vaddf(&message, fmt, args);
    va_end(args);
    format_time(when, sizeof(when));
    (void) pthread_mutex_lock(&lock);
    flush_queue();
    queue_loss(when);
    add_line(&line, when, level_names[level], topic, buf_str(&message));
    queue_line(&line);
    flush_queue();
    (void) pthread_mutex_unlock(&lock);
}

struct log_scope log_scope_open(const char *key, const char *fmt, ...)
{
    struct log_scope scope = { .depth = scope_depth };
    va_list args;

    if (scope_depth == SCOPES_MAX)
        return scope;
    (void) snprintf(scopes[scope_depth].key, sizeof(scopes[scope_depth].key), "%s", key);
    va_start(args, fmt);
    (void) vsnprintf(scopes[scope_depth].value, sizeof(scopes[scope_depth].value), fmt, args);
    va_end(args);
    scope_depth++;
    return scope;
}

void log_scope_close(struct log_scope *scope)
{
    scope_depth = scope->depth;
}
