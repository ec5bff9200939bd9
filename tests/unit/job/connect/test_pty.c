/* tests/unit/job/connect/test_pty.c - a person's terminal beside the commands of a job (core/job/connect/pty.h), on real
 * servers. The person is the test: what it reads and types it does before each wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/job/connect/pty.h"
#include "tests/harness/harness.h"
#include "tests/unit/job/connect/ssh_world.h"

#define SHELL "exec sh"
#define PATIENCE_MS 120000
#define FLOOD (4 << 20)
#define FLOOD_TEXT "4194304"

/* Who sits in front of it; one at a time. */
static struct person {
    struct pty *pty;
    int fd;
    struct buf seen;
    const char *waits_for; /* NULL = for the terminal's end */
    bool reads, gone;
    size_t shown; /* bytes that the screen passed on */
} person = { .fd = -1 };

static int show(void *arg, const void *data, size_t len, struct buf *out)
{
    buf_add(out, data, len);
    person.shown += len;
    return 0;
}

static int echo(void *arg, const char *typed, size_t len, struct buf *out)
{
    return 0;
}

static int end_shown(void *arg, struct buf *out)
{
    return 0;
}

static void read_all(void)
{
    char piece[4096];
    ssize_t n;

    while (person.reads && (n = recv(person.fd, piece, sizeof(piece), MSG_DONTWAIT)) >= 0) {
        person.gone = n == 0;
        if (n == 0)
            return;
        buf_add(&person.seen, piece, (size_t) n);
    }
}

static int look(struct ssh_world *world)
{
    read_all();
    if (person.waits_for)
        return strstr(buf_str(&person.seen), person.waits_for) ? -ECANCELED : 0;
    return person.gone && pty_is_idle(person.pty) ? -ECANCELED : 0;
}

static void type(const char *text)
{
    assert_int_equal(send(person.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Until the person sees the text, or with NULL until the terminal has ended. */
static void await(struct ssh_world *world, const char *text)
{
    int r;

    person.waits_for = text;
    world->act = look;
    r = ssh_idle(world->conn, clock_mono_ms(&clock_system) + PATIENCE_MS, &world->err);
    world->act = NULL;
    if (r != -ECANCELED)
        fail_msg("%s: no '%s' but '%s' (%d, %s)", ssh_server_names[world->kind],
                 text ? text : "end", buf_str(&person.seen), r, world->err.message);
}

static void sit_down(struct ssh_world *world, const char *command)
{
    const struct pty_screen screen = { .show = show, .echo = echo, .end = end_shown };
    struct remote_watch watch = world->options.watch;
    int ends[2];

    if (!person.pty)
        person.pty = pty_new(screen);
    assert_non_null(person.pty);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    person.fd = ends[0];
    person.reads = true;
    person.gone = false;
    person.shown = 0;
    buf_clear(&person.seen);
    watch.pty = person.pty;
    ssh_set_watch(world->conn, watch);
    assert_int_equal(pty_begin(person.pty, world->conn, command, ends[1], &world->err), 0);
}

static void leave(void)
{
    (void) close(person.fd);
    person.fd = -1;
    person.gone = true;
}

static void stand_up(void)
{
    pty_free(person.pty);
    if (person.fd >= 0)
        (void) close(person.fd);
    buf_done(&person.seen);
    person = (struct person) { .fd = -1 };
}

static void is_a_terminal(struct ssh_world *world)
{
    sit_down(world, SHELL);
    type("stty size; tty; echo $TERM; echo is $((6 * 7))\n");
    await(world, "is 42");
    assert_non_null(strstr(buf_str(&person.seen), "24 80\r\n"));
    assert_non_null(strstr(buf_str(&person.seen), "\r\n/dev/pts/"));
    assert_non_null(strstr(buf_str(&person.seen), "xterm-256color\r\n"));
    type("exit\n");
    await(world, NULL);
    stand_up();
}

static void test_a_shell_has_a_terminal_and_its_end_is_the_persons(void **state)
{
    ssh_world_each(*state, is_a_terminal);
}

/* The command's end needs what is typed at the terminal, and its status and output stay its own. */
static void beside_a_command(struct ssh_world *world)
{
    autofree char *path = harness_path(world->dir, "go");
    autobuf struct buf command = BUF_INIT, typed = BUF_INIT;

    ssh_server_run((const char *const[]) { "mkfifo", path, NULL });
    buf_addf(&command, "echo begin; cat %s; echo end; exit 7", path);
    buf_addf(&typed, "stty size; echo typed > %s\n", path);
    sit_down(world, SHELL);
    type(buf_str(&typed));
    person.waits_for = "never seen";
    world->act = look;
    assert_int_equal(ssh_world_run(world, buf_str(&command), 0, 0), 7);
    assert_string_equal(buf_str(&world->output), "begin\ntyped\nend\n");
    await(world, "24 80");
    type("exit\n");
    await(world, NULL);
    stand_up();
}

static void test_a_terminal_works_beside_a_command(void **state)
{
    ssh_world_each(*state, beside_a_command);
}

/* Nothing is read, so nothing but a window's worth comes, and commands run meanwhile. */
static void slow_person(struct ssh_world *world)
{
    size_t zeros = 0;

    sit_down(world, "head -c " FLOOD_TEXT " /dev/zero | tr '\\000' 0; echo; exec sh");
    person.reads = false;
    person.waits_for = "never seen";
    world->act = look;
    for (int i = 0; i < 3; i++)
        if (ssh_world_run(world, "echo beside; exit 3", 0, 0) != 3)
            fail_msg("%s: %s", ssh_server_names[world->kind], world->err.message);
    assert_string_equal(buf_str(&world->output), "beside\nbeside\nbeside\n");
    assert_true(person.shown < FLOOD);
    person.reads = true;
    type("echo is $((6 * 7))\n");
    await(world, "is 42");
    for (size_t i = 0; i < person.seen.len; i++)
        zeros += person.seen.data[i] == '0';
    assert_int_equal(zeros, FLOOD);
    stand_up();
}

/* dropbear 2022.83 does not hold what nobody reads: it fails an assertion of its own, or answers no more. */
static void with_openssh(struct ssh_world *world, void (*test)(struct ssh_world *world))
{
    ssh_world_start(world, SSH_SERVER_OPENSSH, NULL);
    ssh_world_connect(world);
    test(world);
}

static void test_who_does_not_read_stops_the_terminal_alone(void **state)
{
    with_openssh(*state, slow_person);
}

static void leaves_in_a_flood(struct ssh_world *world)
{
    sit_down(world, "yes");
    await(world, "y\r\ny\r\n");
    leave();
    await(world, NULL);
    assert_int_equal(ssh_world_run(world, "exit 7", 0, 0), 7);
    sit_down(world, SHELL);
    type("echo is $((6 * 7))\n");
    await(world, "is 42");
    pty_end(person.pty, "It is over.");
    await(world, NULL);
    assert_non_null(strstr(buf_str(&person.seen), "\r\nIt is over.\r\n"));
    assert_int_equal(ssh_world_run(world, "exit 7", 0, 0), 7);
    stand_up();
}

static void test_a_person_may_leave_at_any_time(void **state)
{
    with_openssh(*state, leaves_in_a_flood);
}

static void test_an_instance_without_terminals_is_told_to_the_person(void **state)
{
    struct ssh_world *world = *state;

    ssh_world_start(world, SSH_SERVER_OPENSSH, "PermitTTY no\n");
    ssh_world_connect(world);
    sit_down(world, SHELL);
    await(world, NULL);
    assert_non_null(strstr(buf_str(&person.seen), "the instance gives no terminal"));
    assert_int_equal(ssh_world_run(world, "exit 7", 0, 0), 7);
    stand_up();
}

static int tear_down(void **state)
{
    stand_up();
    return ssh_world_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ssh_world_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_shell_has_a_terminal_and_its_end_is_the_persons),
        TEST(test_a_terminal_works_beside_a_command),
        TEST(test_who_does_not_read_stops_the_terminal_alone),
        TEST(test_a_person_may_leave_at_any_time),
        TEST(test_an_instance_without_terminals_is_told_to_the_person),
    };

    (void) signal(SIGPIPE, SIG_IGN);
    ssh_library_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
