/* tests/fuzz/fuzz_ssh_channel.c - what a hostile instance sends over its SSH connection, to either back end of
 * core/job/connect. Input: ssh_play.h. What must hold:
 *
 * - each byte of output is passed on once and in the order of the packets, and nothing else is;
 * - a command has the exit status that its own channel told first, and one alone that was closed behind it;
 * - a connection that broke, or a channel that was closed without a status, is no end of a command;
 * - what the command gets is its input, within the window that the server grants, and its end behind all of it;
 * - no wait goes on when nothing can come, and nothing is left behind.
 *
 * A server that breaks the protocol itself (`fair` is false) may lose its own output; the rest holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_backend.h"
#include "tests/fuzz/ssh_play.h"

#define require ssh_peer_require

#define SIZE_MAX_TRIED 2048
#define FOREVER_MS (60 * 60 * 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libssh2 1.10 forgets memory of a key exchange that does not come to its end. Every other leak counts. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
    return "leak:libssh2.so\n";
}

/* Always readable, so that no wait takes time. */
static int no_wait_fd(void *arg)
{
    static int fd = -1;

    (void) arg;
    if (fd < 0)
        fd = eventfd(1, EFD_CLOEXEC);
    return fd;
}

static int accept_key(void *arg, const char *type, const char *key, int64_t deadline,
                      struct error *err)
{
    (void) arg;
    (void) key;
    (void) deadline;
    (void) err;
    require(str_eq(type, "ssh-ed25519"), "a host key of another type");
    return 0;
}

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct play *play = arg;
    const unsigned char *text = data;

    for (size_t i = 0; play->fair && i < len; i++)
        require(text[i] >> 7 == is_stderr, "output on the wrong stream");
    buf_add(&play->output, data, len);
    return 0;
}

static bool begins_with(const struct buf *whole, const struct buf *part)
{
    return part->len <= whole->len &&
           (part->len == 0 || memcmp(whole->data, part->data, part->len) == 0);
}

/* What went into a stream comes to nobody else. */
static void drop_stdout(struct buf *output)
{
    size_t kept = 0;

    for (size_t i = 0; i < output->len; i++)
        if (output->data[i] & 0x80)
            output->data[kept++] = output->data[i];
    output->len = kept;
}

static void judge_output(struct play *play, bool whole)
{
    if (!play->fair)
        return;
    if (play->settings.stdout_is_stream)
        drop_stdout(&play->told.output);
    else
        buf_clear(&play->told.out);
    require(begins_with(&play->told.output, &play->output) &&
                begins_with(&play->told.out, &play->out),
            "the output is not what the server sent");
    require(!whole || (play->told.output.len == play->output.len &&
                       (play->reader_gone || play->told.out.len == play->out.len)),
            "output is missing");
}

static void judge_status(const struct play *play, const struct remote_exit *exit)
{
    const struct told *told = &play->told;
    int status = (int) (told->status & 255);

    require(exit->has_status, "a command ends without a status");
    if (!play->fair)
        return;
    require(told->closed && told->has_status, "a command ends of which the server did not say so");
    if (told->is_signal) {
        require(exit->status >= 128, "a command that was killed has no status of that");
        return;
    }
    if (status == 0 && told->status != 0)
        status = 255;
    require(exit->status == status && exit->signal[0] == '\0', "the status is another one");
}

static void judge(struct play *play, int r, bool was_broken, const struct remote_exit *exit,
                  const struct error *err)
{
    bool ended = play->told.open && play->told.closed && play->told.has_status;

    require(r == 0 || r == -EPIPE || r == -ECANCELED || r == -ESHUTDOWN, "an odd error");
    require(r == 0 || !str_empty(err->message), "an error without a sentence");
    require(r != -ESHUTDOWN || play->reader_gone, "a reader is said to have gone");
    if (r == 0)
        judge_status(play, exit);
    judge_output(play, r == 0);
    require(r != -EPIPE || was_broken || !ended || !play->polite || !play->fair,
            "a command that has ended is said to be lost");
}

static int make_input(const struct play *play, size_t from)
{
    int fds[2];

    require(pipe2(fds, O_CLOEXEC) == 0, "a pipe");
    require(write(fds[1], play->input + from, play->input_len - from) ==
                (ssize_t) (play->input_len - from),
            "a pipe's room");
    (void) close(fds[1]);
    return fds[0];
}

static void run_command(struct play *play, struct ssh_conn *conn, bool was_broken)
{
    size_t in_memory = play->settings.stdin_is_stream ? play->input_len / 2 : play->input_len;
    struct remote_exec exec = { .command = "command",
                                .input = play->input,
                                .input_len = in_memory,
                                .on_output = on_output,
                                .arg = play };
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int stream[2] = { -1, -1 }, input = -1, r;

    if (play->settings.stdout_is_stream) {
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, stream) == 0,
                "a stream");
        exec.stdout_fd = stream[1];
    }
    if (play->settings.stdin_is_stream)
        input = exec.stdin_fd = make_input(play, in_memory);
    play->reader = stream[0];
    play->reader_gone = false;
    buf_clear(&play->output);
    buf_clear(&play->out);
    r = ssh_exec(conn, &exec, &exit, &err);
    play->stage = MAX(play->stage, OPENED); /* its input has no end any more */
    play_read_stream(play);
    judge(play, r, was_broken, &exit, &err);
    if (play->reader >= 0)
        (void) close(play->reader);
    (void) close(stream[1]);
    (void) close(input);
    play->reader = -1;
}

static void idle(struct play *play, struct ssh_conn *conn)
{
    struct error err = { 0 };
    int r = ssh_idle(conn, now_ms() + FOREVER_MS, &err);

    (void) play;
    require(r == -ECANCELED || r == -EPIPE, "a wait ends with an odd error");
    require(!str_empty(err.message), "an error without a sentence");
}

static void use_connection(struct play *play, struct ssh_conn *conn)
{
    if (play->settings.idle)
        idle(play, conn);
    run_command(play, conn, play->over);
    if (play->settings.twice)
        run_command(play, conn, play->over);
}

static void run_client(struct play *play, int fd)
{
    const struct remote_options options = {
        .address = "peer",
        .username = "runner",
        .password = "secret",
        .check_host_key = accept_key,
        .watch = { .control_fd = no_wait_fd, .poll_control = play_turn, .arg = play },
    };
    struct ssh_conn *conn = NULL;
    struct error err = { 0 };
    int r = ssh_start(&options, fd, now_ms() + FOREVER_MS, &conn, &err);

    require(r == 0 || (play->settings.begins == CONNECTED && !str_empty(err.message)),
            "the connection is not made");
    if (r == 0)
        use_connection(play, conn);
    ssh_close(conn);
}

static int lowest_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void) close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play;
    int ends[2], lowest;

    if (size < PLAY_SETTINGS || size > SIZE_MAX_TRIED)
        return 0;
    if (no_wait_fd(NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        abort();
    lowest = lowest_descriptor();
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0,
            "a socket pair");
    play_init(&play, data, size, ends[0]);
    run_client(&play, ends[1]);
    play_done(&play);
    require(lowest_descriptor() == lowest, "a descriptor is left open");
    return 0;
}
