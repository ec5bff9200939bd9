/* nestingd/tart/command.c - see command.h. */
#include "nestingd/tart/command.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#define LOG_TOPIC "tart"
#include "core/base/log.h"

enum {
    ARGUMENTS_MAX = 16,
    NUMBER_SIZE = 24,
    LOOK_MS = 60 * 1000,   /* list, get, and the address of one that has one */
    STOP_S = 30,           /* what Tart gives a VM before it kills it */
    DELETE_MS = 120 * 1000 /* disks may be large */
};

/* A command line; argv[n] is always NULL. */
struct line {
    const char *argv[ARGUMENTS_MAX + 1];
    size_t n;
    char numbers[3][NUMBER_SIZE];
    size_t numbers_n;
};

static void add(struct line *line, const char *word)
{
    line->argv[line->n++] = word;
}

static void add_number(struct line *line, const char *option, int64_t value)
{
    char *number = line->numbers[line->numbers_n++];

    (void) snprintf(number, NUMBER_SIZE, "%lld", (long long) value);
    add(line, option);
    add(line, number);
}

static struct line begin(const char *command)
{
    struct line line = { .n = 0 };

    add(&line, "tart");
    add(&line, command);
    return line;
}

/* The words behind the program's name. */
static int failed(const struct line *line, int code, struct error *err)
{
    autobuf struct buf words = BUF_INIT;

    for (size_t i = 1; i < line->n; i++)
        if (!str_eq(line->argv[i], "--"))
            buf_addf(&words, "%s%s", i > 1 ? " " : "", line->argv[i]);
    return error_wrap(err, code, "%s", buf_str(&words));
}

static int run(const struct line *line, const struct call *call, int64_t most_ms, struct buf *out,
               const struct process_listener *listener, struct error *err)
{
    struct call within = call_within(call, most_ms);
    int r = process_run(line->argv, &within, out, listener, err);

    return r < 0 ? failed(line, r, err) : 0;
}

struct pull {
    const char *image, *id;
    int told; /* the last percentage that was logged */
};

static void tell_progress(void *arg, const char *line)
{
    struct pull *pull = arg;
    int percent;

    if (!tart_read_percent(line, &percent)) {
        if (*line != '\x1b') /* only moves a cursor */
            log_info("%s for %s: %s", pull->image, pull->id, line);
        return;
    }
    if (percent < pull->told) /* of the next layer */
        pull->told = 0;
    if (percent >= pull->told + 10) {
        log_info("%s for %s: %d%%", pull->image, pull->id, percent);
        pull->told = percent;
    }
}

int tart_clone(const struct tart_settings *settings, const struct call *call, const char *image,
               const char *id, struct error *err)
{
    struct pull pull = { .image = image, .id = id };
    struct process_listener listener = { .line = tell_progress, .arg = &pull };
    struct line line = begin("clone");

    if (settings->insecure)
        add(&line, "--insecure");
    if (settings->concurrency > 0)
        add_number(&line, "--concurrency", settings->concurrency);
    if (settings->prune_limit_gb >= 0)
        add_number(&line, "--prune-limit", settings->prune_limit_gb);
    add(&line, "--"); /* the image's name is the client's */
    add(&line, image);
    add(&line, id);
    return run(&line, call, INT64_MAX, NULL, &listener, err);
}

static struct line start_line(const struct tart_settings *settings, const char *id)
{
    struct line line = begin("run");

    add(&line, id);
    add(&line, "--no-graphics");
    if (settings->softnet)
        add(&line, "--net-softnet");
    return line;
}

int tart_start(const struct tart_settings *settings, const char *id, int output_fd,
               struct process **ret, struct error *err)
{
    struct line line = start_line(settings, id);
    int r = process_start(line.argv, output_fd, ret, err);

    return r < 0 ? failed(&line, r, err) : 0;
}

int tart_start_failed(const struct tart_settings *settings, int code, const char *id,
                      struct error *err)
{
    struct line line = start_line(settings, id);

    return failed(&line, code, err);
}

static int find_address(const struct tart_settings *settings, const struct call *call,
                        const char *id, int64_t wait_s, const struct process *vm,
                        char ret[VM_ADDR_SIZE], struct error *err)
{
    struct process_listener listener = { .beside = vm };
    struct line line = begin("ip");
    autobuf struct buf out = BUF_INIT;
    int r;

    add(&line, id);
    add_number(&line, "--wait", wait_s);
    if (!str_eq(settings->resolver, "dhcp")) {
        add(&line, "--resolver");
        add(&line, settings->resolver);
    }
    r = run(&line, call, wait_s * 1000 + LOOK_MS, &out, &listener, err);
    if (r < 0)
        return r;
    r = tart_read_address(buf_str(&out), out.len, ret, err);
    return r < 0 ? failed(&line, r, err) : 0;
}

int tart_wait_address(const struct tart_settings *settings, const struct call *call, const char *id,
                      const struct process *vm, char ret[VM_ADDR_SIZE], struct error *err)
{
    return find_address(settings, call, id, settings->address_timeout_s, vm, ret, err);
}

int tart_find_address(const struct tart_settings *settings, const struct call *call, const char *id,
                      char ret[VM_ADDR_SIZE], struct error *err)
{
    return find_address(settings, call, id, 1, NULL, ret, err);
}

int tart_list(const struct call *call, int (*each)(void *arg, const struct tart_machine *machine),
              void *arg, struct error *err)
{
    struct line line = begin("list");
    autobuf struct buf out = BUF_INIT;
    int r;

    add(&line, "--source");
    add(&line, "local");
    add(&line, "--format");
    add(&line, "json");
    r = run(&line, call, LOOK_MS, &out, NULL, err);
    return r < 0 ? r : tart_read_list(buf_str(&out), out.len, each, arg, err);
}

int tart_get(const struct call *call, const char *image, struct need *ret, struct error *err)
{
    struct line line = begin("get");
    autobuf struct buf out = BUF_INIT;
    int r;

    add(&line, "--format");
    add(&line, "json");
    add(&line, "--");
    add(&line, image);
    r = run(&line, call, LOOK_MS, &out, NULL, err);
    return r < 0 ? r : tart_read_get(buf_str(&out), out.len, ret, err);
}

int tart_stop(const struct call *call, const char *id, struct error *err)
{
    struct line line = begin("stop");

    add(&line, id);
    add_number(&line, "--timeout", STOP_S);
    return run(&line, call, STOP_S * 1000 + LOOK_MS, NULL, NULL, err);
}

int tart_delete(const struct call *call, const char *id, struct error *err)
{
    struct line line = begin("delete");

    add(&line, id);
    return run(&line, call, DELETE_MS, NULL, NULL, err);
}
