/* tests/integration/call_winrm.c - runs a command on an instance by WinRM, as a job does.
 *
 * Usage: call_winrm PROTOCOL ADDRESS PORT USER PASSWORD COMMAND [SETTING=VALUE...]
 * Settings: ca=FILE, own=accept|refuse (its key is asked about), timeout=MS (of connecting), deadline=MS (of the command),
 * stream=1 (input and output by descriptors), cancel=FILE (once that exists; then it is taken away), again=N (times), between=FILE (before each
 * but the first it makes FILE.waiting, and waits for the file).
 * Standard input is the command's. The last line on standard error is "RESULT STATUS", or "RESULT CODE SENTENCE". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/job/connect/winrm.h"

struct settings {
    struct remote_options options;
    const char *cancel, *between;
    bool refuse, stream, cancelled;
    int64_t deadline_ms, again;
};

static int print(void *arg, bool is_stderr, const void *data, size_t len)
{
    (void) arg;
    return fs_write_all(is_stderr ? STDERR_FILENO : STDOUT_FILENO, data, len);
}

static int check_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                     struct error *err)
{
    const struct settings *settings = arg;

    (void) deadline_mono_ms;
    (void) fprintf(stderr, "KEY %s %s\n", type, key);
    return settings->refuse ? error_set(err, -EKEYREJECTED, "that key is refused") : 0;
}

static int poll_control(void *arg)
{
    struct settings *settings = arg;

    if (settings->cancel && unlink(settings->cancel) == 0)
        settings->cancelled = true;
    return settings->cancelled ? -ECANCELED : 0;
}

static void read_setting(struct settings *settings, char *word)
{
    char *value = strchr(word, '=');
    int64_t number = 0;

    if (!value)
        return;
    *value++ = '\0';
    (void) parse_i64(value, 0, INT64_MAX, &number);
    if (str_eq(word, "ca"))
        settings->options.ca_file = value;
    else if (str_eq(word, "own"))
        settings->options.own_certificate = true, settings->refuse = str_eq(value, "refuse");
    else if (str_eq(word, "timeout"))
        settings->options.timeout_ms = number;
    else if (str_eq(word, "keepalive"))
        settings->options.keepalive_ms = number;
    else if (str_eq(word, "deadline"))
        settings->deadline_ms = number;
    else if (str_eq(word, "again"))
        settings->again = number;
    else if (str_eq(word, "stream"))
        settings->stream = true;
    else if (str_eq(word, "cancel"))
        settings->cancel = value;
    else if (str_eq(word, "between"))
        settings->between = value;
}

static void wait_for_word(const char *path)
{
    autobuf struct buf waiting = BUF_INIT;

    buf_addf(&waiting, "%s.waiting", path);
    (void) close(open(buf_str(&waiting), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access(path, F_OK) < 0)
        (void) usleep(10000);
}

static int run(struct settings *settings, struct winrm_conn *conn, const char *command,
               const struct buf *input, struct remote_exit *exit, struct error *err)
{
    struct remote_exec exec = { .command = command, .on_output = print, .arg = settings };

    if (settings->deadline_ms > 0)
        exec.deadline_mono_ms = clock_mono_ms(&clock_system) + settings->deadline_ms;
    if (settings->stream) {
        exec.stdin_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        exec.stdout_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        exec.input = input->data;
        exec.input_len = input->len;
    }
    return winrm_exec(conn, &exec, exit, err);
}

static int read_input(struct buf *input)
{
    char piece[65536];
    ssize_t n;

    while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
        buf_add(input, piece, (size_t) n);
    return n < 0 ? -errno : buf_error(input);
}

int main(int argc, char **argv)
{
    struct settings settings = { .options = { .timeout_ms = 20000, .keepalive_ms = 30000 },
                                 .again = 1 };
    struct winrm_conn *conn = NULL;
    autobuf struct buf input = BUF_INIT;
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int64_t port = 0;
    int r;

    if (argc < 7 || parse_i64(argv[3], 1, 65535, &port) < 0)
        return 2;
    settings.options.protocol = argv[1];
    settings.options.address = argv[2];
    settings.options.port = (uint16_t) port;
    settings.options.username = argv[4];
    settings.options.password = argv[5];
    for (int i = 7; i < argc; i++)
        read_setting(&settings, argv[i]);
    settings.options.check_host_key = check_key;
    settings.options.check_arg = &settings;
    settings.options.watch =
        (struct remote_watch) { .poll_control = poll_control, .arg = &settings };
    r = settings.stream ? 0 : read_input(&input);
    if (r == 0)
        r = winrm_prepare(&settings.options, &err);
    if (r == 0)
        r = winrm_open(&settings.options, &conn, &err);
    for (int64_t i = 0; r == 0 && i < settings.again; i++) {
        if (i > 0 && settings.between)
            wait_for_word(settings.between);
        r = run(&settings, conn, argv[6], &input, &exit, &err);
    }
    winrm_close(conn);
    if (r == 0)
        (void) fprintf(stderr, "\nRESULT %d\n", exit.status);
    else
        (void) fprintf(stderr, "\nRESULT %s %s\n", strerrorname_np(-r), err.message);
    return r < 0;
}
