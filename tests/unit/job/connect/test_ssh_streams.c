/* tests/unit/job/connect/test_ssh_streams.c - commands with streams (core/job/connect/ssh.h) on real servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/crc32.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"
#include "tests/unit/job/connect/ssh_world.h"

#define MIB (1 << 20)
#define MIB_TEXT "1048576"
#define QUIET 2

/* dropbear is slow. */
static const size_t whole_mib[SSH_SERVERS] = { 64, 24 };

static void close_fd(int *fd)
{
    (void) close(*fd);
    *fd = -1;
}

/* A connection that a command was cut from serves the next one. */
static void assert_usable(struct ssh_world *world)
{
    int r;

    world->act = NULL;
    r = ssh_world_run(world, "exit 7", 0, 0);
    if (r != 7)
        fail_msg("%s: the connection is not usable: %d, %s", ssh_server_names[world->kind], r,
                 world->err.message);
}

static int random_file(const char *dir, size_t mib, uint32_t *ret_crc)
{
    autofree char *path = harness_path(dir, "random"), *part = mem_zero(MIB);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && part);
    *ret_crc = 0;
    for (size_t i = 0; i < mib; i++) {
        rng_system.fill(rng_system.ctx, part, MIB);
        *ret_crc = crc32_update(*ret_crc, part, MIB);
        assert_int_equal(write(fd, part, MIB), MIB);
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static uint32_t crc_of(int fd, size_t *ret_len)
{
    autofree char *part = mem_zero(MIB);
    uint32_t crc = 0;
    ssize_t n;

    *ret_len = 0;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, part, MIB)) > 0) {
        crc = crc32_update(crc, part, (size_t) n);
        *ret_len += (size_t) n;
    }
    return crc;
}

static int open_back(const struct ssh_world *world)
{
    autofree char *path = harness_path(world->dir, "back");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void assert_back(const struct ssh_world *world, const char *want)
{
    autofree char *text = harness_read(world->dir, "back");

    assert_string_equal(text, want);
}

static void bytes_both_ways(struct ssh_world *world)
{
    uint32_t crc = 0;
    autoclose int out = random_file(world->dir, whole_mib[world->kind], &crc);
    autoclose int back = open_back(world);
    size_t len = 0;

    if (ssh_world_run(world, "cat; echo done >&2; exit 3", out, back) != 3)
        fail_msg("%s: %s", ssh_server_names[world->kind], world->err.message);
    assert_int_equal(crc_of(back, &len), crc);
    assert_int_equal(len, whole_mib[world->kind] * MIB);
    assert_string_equal(buf_str(&world->errors), "done\n");
    assert_int_equal(world->output.len, 0);
}

static void test_streams_carry_every_byte_both_ways(void **state)
{
    ssh_world_each(*state, bytes_both_ways);
}

static void input_before_stream(struct ssh_world *world)
{
    struct remote_exit exit = { 0 };
    struct remote_exec exec = { .command = "cat", .input = "first\n", .input_len = 6 };

    assert_int_equal(pipe2(world->pipe, O_CLOEXEC), 0);
    assert_int_equal(write(world->pipe[1], "second\n", 7), 7);
    close_fd(&world->pipe[1]);
    exec.stdin_fd = world->pipe[0];
    exec.stdout_fd = open_back(world);
    assert_int_equal(ssh_exec(world->conn, &exec, &exit, &world->err), 0);
    (void) close(exec.stdout_fd);
    assert_back(world, "first\nsecond\n");
}

static void test_the_stream_follows_the_input(void **state)
{
    ssh_world_each(*state, input_before_stream);
}

/* Writes once the command has asked for it, and ends after another wait. */
static int write_when_asked(struct ssh_world *world)
{
    if (world->errors.len > 0 && world->pipe[1] >= 0) {
        assert_int_equal(write(world->pipe[1], "late\n", 5), 5);
        close_fd(&world->pipe[1]);
    }
    return 0;
}

static void input_comes_late(struct ssh_world *world)
{
    assert_int_equal(pipe2(world->pipe, O_CLOEXEC), 0);
    world->act = write_when_asked;
    assert_int_equal(ssh_world_run(world, "echo now >&2; cat", world->pipe[0], 0), 0);
    assert_string_equal(buf_str(&world->output), "late\n");
}

static void test_a_stream_may_come_late(void **state)
{
    ssh_world_each(*state, input_comes_late);
}

/* Endless in both cases: its end is the command's. */
static void nobody_reads(struct ssh_world *world)
{
    autoclose int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    assert_int_equal(ssh_world_run(world, "head -c 100000 | wc -c; exit 4", zeros, 0), 4);
    assert_string_equal(buf_str(&world->output), "100000\n");
    assert_int_equal(ssh_world_run(world, "exit 5", zeros, 0), 5);
}

static void test_a_command_need_not_read_its_stream(void **state)
{
    ssh_world_each(*state, nobody_reads);
}

/* Says one byte on stderr for each MiB of its output. */
static const char counted_mib[] =
    "i=0; while [ $i -lt 24 ]; do head -c " MIB_TEXT " /dev/zero; printf . >&2; i=$((i+1)); done";

static void take(struct ssh_world *world)
{
    char part[65536];
    ssize_t n;

    while ((n = read(world->pipe[0], part, sizeof(part))) > 0)
        world->taken += (size_t) n;
}

/* Begins to read when nothing has come for long, and goes on. */
static int stall_then_read(struct ssh_world *world)
{
    if (world->at_rest == 0 && world->quiet < QUIET)
        return 0;
    if (world->at_rest == 0)
        world->at_rest = world->errors.len + 1;
    take(world);
    return 0;
}

static void reader_stalls(struct ssh_world *world)
{
    assert_int_equal(pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    world->act = stall_then_read;
    if (ssh_world_run(world, counted_mib, 0, world->pipe[1]) != 0)
        fail_msg("%s: %s", ssh_server_names[world->kind], world->err.message);
    take(world);
    assert_int_equal(world->taken, 24 * MIB);
    assert_int_equal(world->errors.len, 24);
    /* Two windows, and what the server and the kernel keep on their way. */
    if (world->at_rest > 16)
        fail_msg("%s: %zu MiB were taken from the command while nobody read",
                 ssh_server_names[world->kind], world->at_rest - 1);
}

static void test_a_reader_that_stalls_stops_the_command(void **state)
{
    ssh_world_each(*state, reader_stalls);
}

/* Reads a little, and leaves. */
static int read_and_go(struct ssh_world *world)
{
    if (world->pipe[0] >= 0 && world->taken < MIB)
        take(world);
    if (world->taken >= MIB)
        close_fd(&world->pipe[0]);
    return 0;
}

static void reader_goes(struct ssh_world *world)
{
    assert_int_equal(pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    world->act = read_and_go;
    assert_int_equal(ssh_world_run(world, "cat /dev/zero", 0, world->pipe[1]), -ESHUTDOWN);
    assert_string_equal(world->err.message, "whoever reads the command's output has gone");
    assert_usable(world);
}

static void test_a_reader_that_goes_ends_the_command(void **state)
{
    ssh_world_each(*state, reader_goes);
}

static int read_then_abort(struct ssh_world *world)
{
    take(world);
    return world->taken < MIB ? 0 : -EINTR;
}

static void aborted(struct ssh_world *world)
{
    autoclose int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    assert_int_equal(pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    world->act = read_then_abort;
    assert_int_equal(ssh_world_run(world, "cat", zeros, world->pipe[1]), -EINTR);
    assert_usable(world);
}

static void test_an_abort_leaves_the_connection_usable(void **state)
{
    ssh_world_each(*state, aborted);
}

static int stop_when_full(struct ssh_world *world)
{
    return world->quiet < QUIET ? 0 : -EINTR;
}

/* Nobody reads, so nothing but the watch can end this. */
static void aborted_while_stalled(struct ssh_world *world)
{
    assert_int_equal(pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    world->act = stop_when_full;
    assert_int_equal(ssh_world_run(world, counted_mib, 0, world->pipe[1]), -EINTR);
    assert_usable(world);
}

static void test_a_stalled_command_can_be_stopped(void **state)
{
    ssh_world_each(*state, aborted_while_stalled);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, ssh_world_set_up, ssh_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_streams_carry_every_byte_both_ways),
        ROW(test_the_stream_follows_the_input),
        ROW(test_a_stream_may_come_late),
        ROW(test_a_command_need_not_read_its_stream),
        ROW(test_a_reader_that_stalls_stops_the_command),
        ROW(test_a_reader_that_goes_ends_the_command),
        ROW(test_an_abort_leaves_the_connection_usable),
        ROW(test_a_stalled_command_can_be_stopped),
    };

    (void) signal(SIGPIPE, SIG_IGN);
    ssh_library_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
