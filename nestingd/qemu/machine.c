/* nestingd/qemu/machine.c - see machine.h; freezing is freeze.c's. */
#include "nestingd/qemu/machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/process.h"
#include "nestingd/qemu/usernet.h"
#include "sdk/lib/base64.h"

enum {
    MONITOR_PAUSE_MS = 10,
    END_WAIT_MS = 10 * 1000, /* of a QEMU that closed its monitor */
    SAID_MAX = 400,
    OUTPUT_MAX = 64 * 1024,
    ANSWER_PAUSE_MS = 50,
    CONSOLE_MS = 10 * 1000,
    PATIENCE_MS =
        1000, /* with the first connection; then more and more, for the guest may be slow */
    PATIENCE_MAX_MS = 15 * 1000,
};

struct machine {
    struct process *process;
    struct qmp *monitor;
};

void machine_free(struct machine *machine)
{
    if (!machine)
        return;
    qmp_close(machine->monitor);
    process_free(machine->process);
    free(machine);
}

struct qmp *machine_monitor(struct machine *machine)
{
    return machine->monitor;
}

/* The last line of `text`. */
static void show_last_line(struct buf *out, const char *text, size_t len)
{
    const char *line;

    while (len > 0 && strchr("\r\n ", text[len - 1]))
        len--;
    line = len > 0 ? memrchr(text, '\n', len) : NULL;
    line = line ? line + 1 : text;
    str_display(out, line, len - (size_t) (line - text), SAID_MAX);
}

/* Why it ended, by what it printed. */
static int say_end(const struct process *process, const char *output, struct error *err)
{
    autobuf struct buf printed = BUF_INIT, shown = BUF_INIT;
    struct error how = { 0 };

    if (process_result(process, &how) == 0)
        (void) error_set(&how, -EIO, "exit status 0");
    (void) fs_read_file(AT_FDCWD, output, OUTPUT_MAX, &printed, NULL);
    show_last_line(&shown, buf_str(&printed), printed.len);
    return error_set(err, -EIO, "QEMU ended with %s (%s)", how.message, buf_str(&shown));
}

static bool is_not_yet(int code)
{
    return code == -ENOENT || code == -ECONNREFUSED;
}

static int wait_for_monitor(struct machine *machine, const char *path, const char *output,
                            const struct call *call, struct error *err)
{
    for (;;) {
        struct pollfd fds[] = { { 0 },
                                { .fd = process_exit_fd(machine->process), .events = POLLIN } };
        int r = qmp_open_monitor(path, call, &machine->monitor, err);

        if (r == 0)
            return 0;
        if (r != -EPIPE && !is_not_yet(r))
            return r;
        r = call_poll(call, fds, ARRAY_LEN(fds), r == -EPIPE ? END_WAIT_MS : MONITOR_PAUSE_MS, err);
        if (r < 0)
            return r;
        if (r > 0)
            return say_end(machine->process, output, err);
    }
}

int machine_start(const char *const *argv, const char *folder, const struct call *call,
                  struct machine **ret, struct error *err)
{
    auto_ptr(machine_free) struct machine *machine = mem_zero(sizeof(*machine));
    autofree char *output = mem_printf("%s/output", folder);
    autofree char *monitor = mem_printf("%s/qmp", folder);
    autoclose int fd = -1;
    int r;

    if (!machine || !output || !monitor)
        return error_errno(err, -ENOMEM, "QEMU");
    fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, -errno, "%s", output);
    r = process_start(argv, fd, &machine->process, err);
    if (r < 0)
        return r;
    r = wait_for_monitor(machine, monitor, output, call, err);
    if (r < 0) {
        process_stop(machine->process, 0);
        return r;
    }
    *ret = take_ptr(machine);
    return 0;
}

int machine_find_port(struct machine *machine, const struct call *call, unsigned *ret,
                      struct error *err)
{
    json_t *arguments = json_object_new_object();
    autojson json_t *answer = NULL;
    int r;

    if (!arguments || json_add_str(arguments, "command-line", "info usernet") < 0) {
        json_object_put(arguments);
        return error_errno(err, -ENOMEM, "the guest's port");
    }
    r = qmp_ask(machine->monitor, call, "human-monitor-command", arguments, &answer, err);
    if (r < 0)
        return r;
    if (!json_object_is_type(answer, json_type_string) ||
        usernet_find_port(json_object_get_string(answer), ret) < 0)
        return error_set(err, -EPROTO, "QEMU does not say which port leads to the guest");
    return 0;
}

static bool has_ended(const struct machine *machine)
{
    return process_result(machine->process, NULL) != -EAGAIN;
}

/* Waits for one of `events` on a socket, or for QEMU's end: 0 when `patience_ms` has passed. */
static int wait_on(const struct machine *machine, int fd, short events, const struct call *call,
                   int64_t patience_ms, struct error *err)
{
    struct pollfd fds[] = { { 0 },
                            { .fd = fd, .events = events },
                            { .fd = process_exit_fd(machine->process), .events = POLLIN } };
    int r = call_poll(call, fds, ARRAY_LEN(fds), patience_ms, err);

    if (r > 0 && has_ended(machine))
        return error_set(err, -EIO, "the guest switched itself off");
    return r;
}

static int connect_to(const char *host, unsigned port, int *ret, struct error *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return error_errno(err, -errno, "a socket");
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return error_set(err, -EINVAL, "'%s' is no address", host);
    (void) connect(fd, (const struct sockaddr *) &address,
                   sizeof(address)); /* what became of it, a read tells */
    *ret = take_fd(&fd);
    return 0;
}

/* 1 when it greets as SSH does, 0 when nothing does within the time, or something else. */
static int try_answer(struct machine *machine, const struct call *call, const char *host,
                      unsigned port, int64_t patience_ms, struct error *err)
{
    static const char greeting[] = "SSH-";
    char said[sizeof(greeting) - 1];
    autoclose int fd = -1;
    int r = connect_to(host, port, &fd, err);

    if (r < 0)
        return r;
    r = wait_on(machine, fd, POLLIN, call, patience_ms, err);
    if (r <= 0)
        return r;
    return recv(fd, said, sizeof(said), MSG_WAITALL) == (ssize_t) sizeof(said) &&
           memcmp(said, greeting, sizeof(said)) == 0;
}

int machine_wait_answer(struct machine *machine, const struct call *call, const char *host,
                        unsigned port, struct error *err)
{
    int64_t patience_ms = PATIENCE_MS;

    for (;;) {
        int r = try_answer(machine, call, host, port, patience_ms, err);

        if (r > 0)
            return 0;
        if (r == 0)
            r = wait_on(machine, -1, 0, call, ANSWER_PAUSE_MS, err);
        if (r < 0)
            return r;
        patience_ms = MIN(patience_ms * 3 / 2, PATIENCE_MAX_MS);
    }
}

/* The last line. */
static int read_console(struct machine *machine, struct buf *out)
{
    struct call call = call_fresh(CONSOLE_MS);
    json_t *arguments = json_object_new_object();
    autojson json_t *answer = NULL;
    autofree char *text = NULL;
    size_t len = 0;
    int r = arguments ? json_add_str(arguments, "device", "console") ?: json_add_str(arguments, "format", "base64")
                            ?: json_add_i64(arguments, "size", OUTPUT_MAX)
                      : -ENOMEM;

    if (r < 0) {
        json_object_put(arguments);
        return r;
    }
    r = qmp_ask(machine->monitor, &call, "ringbuf-read", arguments, &answer, NULL);
    if (r < 0 || !json_object_is_type(answer, json_type_string))
        return -EPROTO;
    text = flt_base64_read(json_object_get_string(answer), &len);
    if (text)
        show_last_line(out, text, len);
    return 0;
}

int machine_wait_console(struct machine *machine, const struct call *call, struct error *err)
{
    autobuf struct buf line = BUF_INIT;
    int r = 0;

    while (r == 0 && line.len == 0) {
        r = read_console(machine, &line);
        if (r < 0)
            return error_set(err, r, "QEMU does not show its console");
        r = wait_on(machine, -1, 0, call, ANSWER_PAUSE_MS, err);
    }
    return r;
}

int machine_explain(struct machine *machine, struct error *err)
{
    autobuf struct buf line = BUF_INIT;
    char said[sizeof(err->message)];

    if (!err)
        return -EIO;
    if (read_console(machine, &line) < 0 || line.len == 0)
        return err->code;
    (void) str_copy(said, sizeof(said), err->message);
    return error_set(err, err->code, "%s; the last line of its console: %s", said, buf_str(&line));
}
