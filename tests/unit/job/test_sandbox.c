/* tests/unit/job/test_sandbox.c - what whoever has taken over a job worker would try, each in a
 * process of its own: outside the sandbox, where it succeeds, in one without the filter of system
 * calls, and in the whole (hardening.md X2 to X5). Mirrors core/job/sandbox.c, syscalls.c and
 * core/base/landlock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/landlock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/sandbox.h"
#include "core/job/syscalls.h"
#include "tests/harness/harness.h"

#define OUTPUT_LIMIT 4096
#define SPARE (1024 * 1024)

enum where { OUTSIDE, UNFILTERED, INSIDE };

/* What an attempt finds: the files and listeners of a machine. */
static struct world {
    char *dir, *file, *control_path;
    int spool_fd, control_fd, instance_fd, other_fd;
    uint16_t instance_port, other_port;
} world;

static int listen_tcp(uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *) &address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void control_address(struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
    (void) str_copy(ret->sun_path, sizeof(ret->sun_path), world.control_path);
}

static int set_up(void **unused)
{
    struct sockaddr_un control;

    (void) unused;
    world.dir = harness_temp_dir();
    world.file = harness_path(world.dir, "of-another");
    world.control_path = harness_path(world.dir, "control.sock");
    harness_write(world.dir, "of-another", "secret");
    world.spool_fd = openat(AT_FDCWD, world.file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(world.spool_fd >= 0);
    world.instance_fd = listen_tcp(&world.instance_port);
    world.other_fd = listen_tcp(&world.other_port);
    control_address(&control);
    world.control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(world.control_fd, (struct sockaddr *) &control, sizeof(control)), 0);
    assert_int_equal(listen(world.control_fd, 8), 0);
    return 0;
}

static int tear_down(void **unused)
{
    (void) unused;
    (void) close(world.spool_fd);
    (void) close(world.control_fd);
    (void) close(world.instance_fd);
    (void) close(world.other_fd);
    free(world.file);
    free(world.control_path);
    harness_remove_dir(world.dir);
    return 0;
}

static void enter(enum where where, const char *address)
{
    const struct remote_options instance = { .address = address, .port = world.instance_port };

    if (where == OUTSIDE)
        return;
    if (harden_process() < 0 || sandbox_enter() < 0 ||
        sandbox_narrow(&instance, OUTPUT_LIMIT, NULL) < 0)
        _exit(255);
}

/* One attempt leaves nothing for the next. */
static void tidy_up(void)
{
    autofree char *file = harness_path(world.dir, "new"),
                  *folder = harness_path(world.dir, "folder");

    assert_int_equal(ftruncate(world.spool_fd, 0), 0);
    assert_true(unlink(file) == 0 || errno == ENOENT);
    assert_true(rmdir(folder) == 0 || errno == ENOENT);
    harness_write(world.dir, "old", "");
}

/* 0, the attempt's errno, or minus the signal that ended it. */
static int outcome(enum where where, const char *address, int (*attempt)(void))
{
    int status = 0;
    pid_t child;

    tidy_up();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        enter(where, address);
        _exit(attempt() < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Attempts: negative with errno when refused. */

static int run_a_program(void)
{
    return execl("/bin/true", "true", NULL);
}

static int fork_a_process(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child < 0 ? -1 : waitpid(child, NULL, 0);
}

/* The limit that means nothing to root, for whom these tests run. */
static int may_have_processes(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max > 0)
        return 0;
    errno = EAGAIN;
    return -1;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int start_a_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, do_nothing, NULL);
    return errno ? -1 : pthread_join(thread, NULL);
}

static int trace_a_process(void)
{
    return (int) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int read_memory_of_a_process(void)
{
    char from = 'x', to;
    const struct iovec local = { &to, 1 }, remote = { &from, 1 };

    return (int) process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static int signal_a_process(void)
{
    return kill(getppid(), 0);
}

static int read_a_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int read_what_names_are_looked_up_with(void)
{
    return open("/etc/hosts", O_RDONLY | O_CLOEXEC);
}

static int read_a_neighbours_log(void)
{
    return open(world.file, O_RDONLY | O_CLOEXEC);
}

static int list_a_folder(void)
{
    return open(world.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_a_file(void)
{
    return open(world.file, O_WRONLY | O_CLOEXEC);
}

/* What Landlock's first two levels do not see. */
static int empty_a_file(void)
{
    return open(world.file, O_RDONLY | O_TRUNC | O_CLOEXEC);
}

static int make_a_file(void)
{
    autofree char *path = harness_path(world.dir, "new");

    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int make_a_nameless_file(void)
{
    return open(world.dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
}

static int remove_a_file(void)
{
    autofree char *path = harness_path(world.dir, "old");

    return unlink(path);
}

static int make_a_folder(void)
{
    autofree char *path = harness_path(world.dir, "folder");

    return mkdir(path, 0700);
}

static int connect_tcp(uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (const struct sockaddr *) &address, sizeof(address));
}

static int connect_elsewhere(void)
{
    return connect_tcp(world.other_port);
}

/* A connection without connect(), which is what Landlock limits. */
static int send_fast(int (*send_it)(int fd, struct msghdr *message))
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(world.other_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct iovec data = { "x", 1 };
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &data, .msg_iovlen = 1
    };

    return send_it(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &message);
}

static int send_bytes(int fd, struct msghdr *message)
{
    return (int) sendto(fd, "x", 1, MSG_FASTOPEN, message->msg_name, message->msg_namelen);
}

static int send_one(int fd, struct msghdr *message)
{
    return (int) sendmsg(fd, message, MSG_FASTOPEN);
}

static int send_several(int fd, struct msghdr *message)
{
    struct mmsghdr messages = { .msg_hdr = *message };

    return sendmmsg(fd, &messages, 1, MSG_FASTOPEN);
}

static int connect_elsewhere_by_sending(void)
{
    return send_fast(send_bytes);
}

static int connect_elsewhere_by_a_message(void)
{
    return send_fast(send_one);
}

static int connect_elsewhere_by_messages(void)
{
    return send_fast(send_several);
}

/* A kernel without it refuses the protocol, not the call. */
static int speak_mptcp(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP) < 0 &&
                   errno != EPROTONOSUPPORT && errno != ENOPROTOOPT
               ? -1
               : 0;
}

/* With F_SETSIG and O_ASYNC, SIGKILL for anyone of the same user. */
static int choose_who_gets_a_signal(void)
{
    return fcntl(world.control_fd, F_SETOWN, getppid());
}

static int choose_a_signal(void)
{
    return fcntl(world.control_fd, F_SETSIG, SIGKILL);
}

static int take_a_port(void)
{
    const struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return bind(fd, (const struct sockaddr *) &address, sizeof(address));
}

static int listen_for_others(void)
{
    return listen(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 1);
}

static int open_a_raw_socket(void)
{
    return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static int open_a_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int hear_the_audit(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
}

static int take_much_memory(void)
{
    return mmap(NULL, (size_t) 300 * 1024 * 1024, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}

static int take_many_descriptors(void)
{
    for (int i = 0; i < 200; i++)
        if (fcntl(world.spool_fd, F_DUPFD_CLOEXEC, 0) < 0)
            return -1;
    return 0;
}

static int fill_the_disk(void)
{
    static const char block[64 * 1024];

    for (size_t tried = 0; tried < 2 * (OUTPUT_LIMIT + SPARE); tried += sizeof(block))
        if (write(world.spool_fd, block, sizeof(block)) < 0)
            return -1;
    return 0;
}

static int make_the_log_longer(void)
{
    (void) signal(SIGXFSZ, SIG_IGN);
    return ftruncate(world.spool_fd, OUTPUT_LIMIT + SPARE + 1);
}

static int raise_a_limit(void)
{
    const struct rlimit more = { 4000, 4000 };

    return setrlimit(RLIMIT_NOFILE, &more);
}

static int want_a_core(void)
{
    const struct rlimit more = { 1, 1 };

    return setrlimit(RLIMIT_CORE, &more);
}

static int limit_another_process(void)
{
    struct rlimit limit;

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

static int type_for_the_terminal(void)
{
    return ioctl(world.spool_fd, TIOCSTI, "x") < 0 && errno == ENOTTY ? 0 : -1;
}

static int call_as_i386(void)
{
#ifdef __x86_64__
    long answer;

    __asm__ volatile("int $0x80" : "=a"(answer) : "0"(20L) : "memory", "r8", "r9", "r10", "r11");
    return answer > 0 || answer == -ENOSYS ? 0 : -1;
#else
    return 0;
#endif
}

/* What a worker needs. */

static int reach_the_instance(void)
{
    return connect_tcp(world.instance_port);
}

static int reach_the_supervisor(void)
{
    struct sockaddr_un control;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    control_address(&control);
    return connect(fd, (struct sockaddr *) &control, sizeof(control));
}

static int write_the_log(void)
{
    return (int) write(world.spool_fd, "line\n", 5);
}

static int take_some_memory(void)
{
    size_t size = (size_t) 64 * 1024 * 1024;
    char *memory = mem_alloc(size);

    if (memory)
        memset(memory, 1, size);
    free(memory);
    return memory ? 0 : -1;
}

static int look_up_a_name(void)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_flags = AI_ADDRCONFIG,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", "22", &hints, &found) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    freeaddrinfo(found);
    return 0;
}

struct row {
    const char *what;
    int (*attempt)(void);
    int outside, unfiltered, inside;
};

/* Landlock's part, as far as this kernel knows it. */
#define BY_FILE (landlock_level() >= 1 ? EACCES : 0)
#define BY_PORT (landlock_level() >= 4 ? EACCES : 0)
#define BY_SCOPE (landlock_level() >= 6 ? EPERM : 0)
#define KILLED (-SIGSYS)

static void check_rows(const struct row *rows, size_t n, enum where where, const char *address)
{
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        int wanted = where == OUTSIDE      ? rows[i].outside
                     : where == UNFILTERED ? rows[i].unfiltered
                                           : rows[i].inside;
        int got = outcome(where, address, rows[i].attempt);

        if (got == wanted)
            continue;
        print_error("%s: %d, not %d\n", rows[i].what, got, wanted);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* Without its filter a worker of root's forks: RLIMIT_NPROC means nothing to that user. */
#define FORK (geteuid() == 0 ? 0 : EAGAIN)

static void try_what_is_denied(enum where where)
{
    const struct row rows[] = {
        { "execve", run_a_program, 0, BY_FILE, KILLED },
        { "fork", fork_a_process, 0, FORK, KILLED },
        { "a limit of processes above none", may_have_processes, 0, EAGAIN, EAGAIN },
        { "a thread", start_a_thread, 0, FORK, KILLED },
        { "ptrace", trace_a_process, 0, 0, KILLED },
        { "process_vm_readv", read_memory_of_a_process, 0, 0, KILLED },
        { "a signal to the supervisor", signal_a_process, 0, BY_SCOPE, KILLED },
        { "reading /etc/passwd", read_a_file, 0, BY_FILE, BY_FILE },
        { "reading /etc/hosts", read_what_names_are_looked_up_with, 0, BY_FILE, BY_FILE },
        { "reading another job's log", read_a_neighbours_log, 0, BY_FILE, BY_FILE },
        { "listing a folder", list_a_folder, 0, BY_FILE, BY_FILE },
        { "writing a file", write_a_file, 0, BY_FILE, KILLED },
        { "emptying a file", empty_a_file, 0, BY_FILE, KILLED },
        { "making a file", make_a_file, 0, BY_FILE, KILLED },
        { "making a nameless file", make_a_nameless_file, 0, BY_FILE, KILLED },
        { "removing a file", remove_a_file, 0, BY_FILE, KILLED },
        { "making a folder", make_a_folder, 0, BY_FILE, KILLED },
        { "connecting elsewhere", connect_elsewhere, 0, BY_PORT, BY_PORT },
        { "connecting elsewhere by sendto", connect_elsewhere_by_sending, 0, 0, KILLED },
        { "connecting elsewhere by sendmsg", connect_elsewhere_by_a_message, 0, 0, KILLED },
        { "connecting elsewhere by sendmmsg", connect_elsewhere_by_messages, 0, 0, KILLED },
        { "MPTCP", speak_mptcp, 0, 0, KILLED },
        { "the owner of a descriptor", choose_who_gets_a_signal, 0, 0, KILLED },
        { "the signal of a descriptor", choose_a_signal, 0, 0, KILLED },
        { "taking a port", take_a_port, 0, BY_PORT, BY_PORT },
        { "listening on any port", listen_for_others, 0, 0, KILLED },
        { "AF_PACKET", open_a_packet_socket, 0, EPERM, KILLED },
        { "a raw socket", open_a_raw_socket, 0, EPERM, KILLED },
        { "NETLINK_KOBJECT_UEVENT", hear_the_audit, 0, 0, KILLED },
        { "300 MiB of memory", take_much_memory, 0, ENOMEM, ENOMEM },
        { "200 descriptors", take_many_descriptors, 0, EMFILE, EMFILE },
        { "a log beyond its limit", fill_the_disk, 0, EFBIG, EFBIG },
        { "making the log longer", make_the_log_longer, 0, EFBIG, KILLED },
        { "raising a limit", raise_a_limit, 0, EPERM, EPERM },
        { "a core file", want_a_core, 0, EPERM, EPERM },
        { "another process's limits", limit_another_process, 0, 0, KILLED },
        { "TIOCSTI", type_for_the_terminal, 0, 0, KILLED },
        { "a system call of i386", call_as_i386, 0, 0, KILLED },
    };

    check_rows(rows, ARRAY_LEN(rows), where, "127.0.0.1");
}

static void try_what_is_needed(enum where where)
{
    const struct row rows[] = {
        { "the instance", reach_the_instance, 0, 0, 0 },
        { "the supervisor", reach_the_supervisor, 0, 0, 0 },
        { "the log", write_the_log, 0, 0, 0 },
        { "64 MiB of memory", take_some_memory, 0, 0, 0 },
    };
    const struct row name = { "a name", look_up_a_name, 0, 0, 0 };

    check_rows(rows, ARRAY_LEN(rows), where, "127.0.0.1");
    check_rows(&name, 1, where, "localhost");
}

static void test_outside_each_attempt_succeeds(void **unused)
{
    (void) unused;
    if (geteuid() != 0)
        harness_skip("some of the attempts succeed for root alone");
    try_what_is_needed(OUTSIDE);
    try_what_is_denied(OUTSIDE);
}

/* worker_seccomp = false, or a build without libseccomp. */
static void test_hardening_X2_X3_limits_and_landlock_alone(void **unused)
{
    (void) unused;
    try_what_is_needed(UNFILTERED);
    try_what_is_denied(UNFILTERED);
}

/* From here on the filter is loaded, too. */
static void test_hardening_X4_what_is_denied_in_the_whole(void **unused)
{
    struct error err = { 0 };

    (void) unused;
    if (syscalls_available(&err) < 0)
        harness_skip(err.message);
    assert_int_equal(sandbox_prepare(true, NULL), 0);
    try_what_is_needed(INSIDE);
    try_what_is_denied(INSIDE);
}

/* Arguments that no kernel takes: outside it refuses each, unharmed. */
static int forbidden_call;
static int make_the_forbidden_call(void)
{
    (void) syscall(forbidden_call, -1L, -1L, -1L, -1L, -1L, -1L);
    return 0;
}

static void test_hardening_X4_calls_that_are_not_on_the_list(void **unused)
{
    static const struct {
        const char *name;
        int number;
    } calls[] = {
#define CALL(name) { #name, SYS_##name }
        CALL(execveat),
        CALL(clone3),
        CALL(ptrace),
        CALL(bpf),
        CALL(keyctl),
        CALL(add_key),
        CALL(request_key),
        CALL(mount),
        CALL(umount2),
        CALL(move_mount),
        CALL(fsopen),
        CALL(pivot_root),
        CALL(chroot),
        CALL(unshare),
        CALL(setns),
        CALL(process_vm_readv),
        CALL(process_vm_writev),
        CALL(process_madvise),
        CALL(io_uring_setup),
        CALL(io_uring_enter),
        CALL(io_uring_register),
        CALL(perf_event_open),
        CALL(userfaultfd),
        CALL(init_module),
        CALL(finit_module),
        CALL(delete_module),
        CALL(kexec_load),
        CALL(swapon),
        CALL(acct),
        CALL(sethostname),
        CALL(settimeofday),
        CALL(clock_settime),
        CALL(setuid),
        CALL(setgid),
        CALL(setresuid),
        CALL(capset),
        CALL(kill),
        CALL(tkill),
        CALL(rt_sigqueueinfo),
        CALL(pidfd_open),
        CALL(pidfd_send_signal),
        CALL(pidfd_getfd),
        CALL(kcmp),
        CALL(openat2),
        CALL(open_by_handle_at),
        CALL(unlinkat),
        CALL(renameat2),
        CALL(linkat),
        CALL(symlinkat),
        CALL(mkdirat),
        CALL(mknodat),
        CALL(fchmod),
        CALL(fchmodat),
        CALL(fchownat),
        CALL(ftruncate),
        CALL(fallocate),
        CALL(accept4),
        CALL(socketpair),
        CALL(memfd_create),
        CALL(shmget),
        CALL(prctl),
        CALL(seccomp),
        CALL(personality),
#undef CALL
    };
    size_t wrong = 0;

    (void) unused;
    if (syscalls_available(NULL) < 0)
        harness_skip("system calls cannot be filtered here");
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        int outside, inside;

        forbidden_call = calls[i].number;
        outside = outcome(OUTSIDE, "127.0.0.1", make_the_forbidden_call);
        inside = outcome(INSIDE, "127.0.0.1", make_the_forbidden_call);
        if (outside == 0 && inside == KILLED)
            continue;
        print_error("%s: outside %d, inside %d\n", calls[i].name, outside, inside);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static int abort_itself(void)
{
    (void) signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
    abort();
}

static void test_a_failed_assertion_is_not_taken_for_a_breach(void **unused)
{
    int inside;

    (void) unused;
    inside = outcome(INSIDE, "127.0.0.1", abort_itself);
    assert_true(inside == -SIGABRT || inside == -SIGSEGV || inside == -SIGILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside_each_attempt_succeeds),
        cmocka_unit_test(test_hardening_X2_X3_limits_and_landlock_alone),
        cmocka_unit_test(test_hardening_X4_what_is_denied_in_the_whole),
        cmocka_unit_test(test_hardening_X4_calls_that_are_not_on_the_list),
        cmocka_unit_test(test_a_failed_assertion_is_not_taken_for_a_breach),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
