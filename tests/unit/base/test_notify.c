/* tests/unit/base/test_notify.c - mirrors core/base/notify.c; the service manager's end is a socket of the test's
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/notify.h"
#include "core/base/str.h"

struct manager {
    int fd;
    char name[100], path[100]; /* path: "" for an abstract one */
    char text[400];
};

static struct manager listen_at(const char *kind)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct manager manager = { .fd =
                                   socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
    socklen_t size;

    (void) snprintf(manager.name, sizeof(manager.name), "%sflotilla-notify-%d", kind, getpid());
    if (kind[0] == '/')
        (void) str_copy(manager.path, sizeof(manager.path), manager.name);
    (void) str_copy(address.sun_path, sizeof(address.sun_path), manager.name);
    size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(manager.name));
    if (kind[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(manager.fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", manager.name, 1), 0);
    return manager;
}

static const char *heard(struct manager *manager)
{
    ssize_t n = recv(manager->fd, manager->text, sizeof(manager->text) - 1, 0);

    manager->text[MAX(n, (ssize_t) 0)] = '\0';
    return manager->text;
}

static void end(struct manager *manager, struct notify *notify)
{
    notify_close(notify);
    (void) close(manager->fd);
    if (*manager->path)
        (void) unlink(manager->path);
}

static void test_lines_reach_a_socket_by_path_and_an_abstract_one(void **unused)
{
    static const char *const kinds[] = { "/tmp/", "@" };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct manager manager = listen_at(kinds[i]);
        struct notify notify;

        assert_int_equal(notify_open(&notify, NULL), 0);
        assert_true(notify_is_wanted(&notify));
        assert_int_equal(notify_send(&notify, "READY=1\nSTATUS=here"), 0);
        assert_string_equal(heard(&manager), "READY=1\nSTATUS=here");
        end(&manager, &notify);
    }
}

static void test_reloading_comes_with_its_time(void **unused)
{
    struct manager manager = listen_at("@");
    struct notify notify;
    struct timespec now;
    static const char wanted[] = "RELOADING=1\nMONOTONIC_USEC=";
    int64_t usec = 0;

    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_int_equal(notify_reloading(&notify), 0);
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    assert_true(str_starts(heard(&manager), wanted));
    assert_int_equal(parse_i64(manager.text + strlen(wanted), 0, INT64_MAX, &usec), 0);
    assert_in_range(usec, 1, (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000);
    end(&manager, &notify);
}

static void test_what_is_started_later_is_not_asked(void **unused)
{
    struct manager manager = listen_at("@");
    struct notify notify;

    assert_int_equal(setenv("WATCHDOG_USEC", "1000000", 1) | setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    end(&manager, &notify);
}

static void test_nothing_is_sent_where_nobody_asked(void **unused)
{
    struct notify notify;

    (void) unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_false(notify_is_wanted(&notify));
    assert_int_equal(notify_send(&notify, "READY=1"), 0);
}

static void test_names_that_are_no_socket_are_refused_in_words(void **unused)
{
    static const struct {
        const char *name;
        int want;
    } cases[] = { { "vsock:2:1234", -EAFNOSUPPORT },
                  { "relative", -EAFNOSUPPORT },
                  { "@", -EINVAL },
                  { "/a/path/that/is/longer/than/the/hundred/and/eight/bytes/which/the/name/of/a/"
                    "socket/may/have/on/this/system/here",
                    -EINVAL } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = { 0 };
        struct notify notify;

        assert_int_equal(setenv("NOTIFY_SOCKET", cases[i].name, 1), 0);
        if (notify_open(&notify, &err) != cases[i].want || !strstr(err.message, "NOTIFY_SOCKET"))
            fail_msg("%s: %d, %s", cases[i].name, err.code, err.message);
        assert_false(notify_is_wanted(&notify));
    }
}

static void test_the_watchdog_is_this_process_s_alone(void **unused)
{
    autofree char *own = mem_printf("%d", getpid()), *other = mem_printf("%d", getppid());
    const struct {
        const char *why, *usec, *pid;
        int64_t want_ms;
    } cases[] = {
        { "without a process", "3000000", NULL, 3000 },
        { "with ours", "3000000", own, 3000 },
        { "with another", "3000000", other, 0 },
        { "with none at all", "3000000", "x", 0 },
        { "not asked for", NULL, NULL, 0 },
        { "no number", "3s", NULL, 0 },
        { "none", "0", NULL, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct notify notify;

        assert_int_equal(setenv("NOTIFY_SOCKET", "@flotilla-nobody", 1), 0);
        if (cases[i].usec)
            assert_int_equal(setenv("WATCHDOG_USEC", cases[i].usec, 1), 0);
        if (cases[i].pid)
            assert_int_equal(setenv("WATCHDOG_PID", cases[i].pid, 1), 0);
        assert_int_equal(notify_open(&notify, NULL), 0);
        if (notify.watchdog_ms != cases[i].want_ms)
            fail_msg("%s: %lld", cases[i].why, (long long) notify.watchdog_ms);
        notify_close(&notify);
    }
}

/* A manager that does not read must not hold up the loop. */
static void test_a_full_socket_does_not_block(void **unused)
{
    struct manager manager = listen_at("@");
    struct notify notify;
    int r = 0;

    assert_int_equal(notify_open(&notify, NULL), 0);
    for (int i = 0; i < 100000 && r == 0; i++)
        r = notify_send(&notify, "WATCHDOG=1");
    assert_int_equal(r, -EAGAIN);
    end(&manager, &notify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_reach_a_socket_by_path_and_an_abstract_one),
        cmocka_unit_test(test_reloading_comes_with_its_time),
        cmocka_unit_test(test_what_is_started_later_is_not_asked),
        cmocka_unit_test(test_nothing_is_sent_where_nobody_asked),
        cmocka_unit_test(test_names_that_are_no_socket_are_refused_in_words),
        cmocka_unit_test(test_the_watchdog_is_this_process_s_alone),
        cmocka_unit_test(test_a_full_socket_does_not_block),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
