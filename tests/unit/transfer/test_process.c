/* tests/unit/transfer/test_process.c - mirrors core/transfer/process.c: what confines a transfer process. What it
 * carries is in tests/integration/test_supply.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/landlock.h"
#include "core/transfer/process.h"
#include "tests/harness/harness.h"

static struct {
    char *dir, *ca, *other;
    struct sockaddr_in server;
} world;

static int opens(const char *path)
{
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0;
}

static int makes(const char *name)
{
    autofree char *path = harness_path(world.dir, name);
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0;
}

static int reaches_the_network(void)
{
    autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *) &world.server, sizeof(world.server)) == 0;
}

/* Counts what is wrong. */
static int look_around(void)
{
    const struct outcome_tls tls = { .ca_file = world.ca };
    struct addrinfo *found = NULL;
    struct rlimit files;
    int wrong = 0;

    wrong += transfer_confine(&tls) != 0;
    wrong += getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max > 64;
    wrong += !opens(world.ca) + !opens("/etc/ssl/certs/ca-certificates.crt");
    wrong += !reaches_the_network();
    wrong += getaddrinfo("localhost", NULL, NULL, &found) != 0;
    if (found)
        freeaddrinfo(found);
    if (landlock_level() > 0) {
        wrong += opens(world.other) + opens("/etc/passwd") + makes("new");
        wrong += execl("/bin/true", "true", NULL) != -1;
    }
    return wrong;
}

static void test_it_reads_certificates_and_names_and_nothing_else(void **unused)
{
    struct sockaddr_in *server = &world.server;
    socklen_t len = sizeof(*server);
    autoclose int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) unused;
    *server =
        (struct sockaddr_in) { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(listener, (struct sockaddr *) server, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) server, &len), 0);
    world.dir = harness_temp_dir();
    world.ca = harness_path(world.dir, "ca.pem");
    world.other = harness_path(world.dir, "other");
    harness_write(world.dir, "ca.pem", "certificates");
    harness_write(world.dir, "other", "a secret");
    assert_true(opens(world.other));
    assert_int_equal(harness_in_child(look_around), 0);
    free(world.ca);
    free(world.other);
    harness_remove_dir(world.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_reads_certificates_and_names_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
