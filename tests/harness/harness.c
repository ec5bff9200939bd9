/* tests/harness/harness.c - directories, descriptors and repeated failures for unit tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* Far above what any operation under test needs: a loop that does not end is a bug. */
#define ATTEMPTS_MAX 20000
#define COPY_MAX ((size_t) 256 * 1024 * 1024) /* our own binary, with sanitizers */

char *harness_temp_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = mem_printf("%s/flotilla-test-XXXXXX", base ? base : "/tmp");

    assert_non_null(dir);
    if (!mkdtemp(dir))
        fail_msg("mkdtemp %s: %s", dir, strerror(errno));
    return dir;
}

void harness_remove_dir(char *dir)
{
    if (!dir)
        return;
    (void) fs_remove_tree(AT_FDCWD, dir);
    free(dir);
}

char *harness_path(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    assert_non_null(path);
    return path;
}

void harness_write(const char *dir, const char *name, const char *text)
{
    autofree char *path = harness_path(dir, name);
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || fs_write_all(fd, text, strlen(text)) < 0)
        fail_msg("write %s: %s", path, strerror(errno));
}

char *harness_read(const char *dir, const char *name)
{
    autofree char *path = harness_path(dir, name);
    struct buf text = BUF_INIT;
    struct error err = { 0 };

    if (fs_read_file(AT_FDCWD, path, (size_t) 1 << 24, &text, &err) < 0)
        fail_msg("read %s", err.message);
    return buf_take(&text);
}

size_t harness_open_fds(void)
{
    autoclosedir DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    return count - 3; /* ".", ".." and the directory itself */
}

int harness_listen(uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

bool harness_has_faults(void)
{
#ifdef FLOTILLA_FAULTS
    return true;
#else
    return false;
#endif
}

enum outcome { MUST_FAIL, MUST_PASS, ANY_OUTCOME };

struct fault {
    void (*arm)(size_t n, int error);
    size_t (*disarm)(void);
    int error;
    enum outcome outcome;
    const char *what;
};

static size_t fail_each(harness_operation operation, void *arg, const struct fault *fault)
{
    size_t fds = harness_open_fds();

    if (!harness_has_faults())
        return 0;
    for (size_t n = 1; n < ATTEMPTS_MAX; n++) {
        size_t counted;
        int r;

        fault->arm(n, fault->error);
        r = operation(arg);
        counted = fault->disarm();
        if (harness_open_fds() != fds)
            fail_msg("%s %zu failing leaves a descriptor open", fault->what, n);
        if (counted < n) {
            if (r != 0)
                fail_msg("without a failing %s: got %d", fault->what, r);
            return n - 1;
        }
        if ((fault->outcome == MUST_FAIL && r >= 0) || (fault->outcome == MUST_PASS && r != 0) ||
            r > 0)
            fail_msg("%s %zu: got %d", fault->what, n, r);
    }
    fail_msg("more than %d of %s", ATTEMPTS_MAX, fault->what);
    return 0;
}

static void arm_allocation(size_t n, int error)
{
    (void) error;
    (void) mem_fail_at(n);
}

static size_t disarm_allocation(void)
{
    return mem_fail_at(0);
}

static void arm_call(size_t n, int error)
{
    (void) io_fail_at(n, IO_FAULT_FAIL, error);
}

static void arm_short_call(size_t n, int error)
{
    (void) io_fail_at(n, IO_FAULT_SHORT, error);
}

static size_t disarm_call(void)
{
    return io_fail_at(0, IO_FAULT_FAIL, 0);
}

size_t harness_fail_each_allocation(harness_operation operation, void *arg)
{
    const struct fault fault = { arm_allocation, disarm_allocation, 0, MUST_FAIL, "allocation" };

    return fail_each(operation, arg, &fault);
}

size_t harness_try_each_allocation(harness_operation operation, void *arg)
{
    const struct fault fault = { arm_allocation, disarm_allocation, 0, ANY_OUTCOME, "allocation" };

    return fail_each(operation, arg, &fault);
}

size_t harness_fail_each_call(harness_operation operation, void *arg, int error)
{
    const struct fault fault = { arm_call, disarm_call, error, MUST_FAIL, "call" };

    return fail_each(operation, arg, &fault);
}

size_t harness_try_each_call(harness_operation operation, void *arg, int error)
{
    const struct fault fault = { arm_call, disarm_call, error, ANY_OUTCOME, "call" };

    return fail_each(operation, arg, &fault);
}

size_t harness_shorten_each_call(harness_operation operation, void *arg)
{
    const struct fault fault = { arm_short_call, disarm_call, 0, MUST_PASS, "short call" };

    return fail_each(operation, arg, &fault);
}

int harness_in_child(int (*check)(void))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(check());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void harness_copy(const char *from, const char *to)
{
    autobuf struct buf data = BUF_INIT;
    struct error err = { 0 };
    autoclose int fd = -1;

    if (fs_read_file(AT_FDCWD, from, COPY_MAX, &data, &err) < 0)
        fail_msg("%s", err.message);
    fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, buf_str(&data), data.len), 0);
}
