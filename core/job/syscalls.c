/* core/job/syscalls.c - the list behind syscalls.h: what the worker itself, libssh, libcurl, GSSAPI, libcrypto, json-c
 * and glibc's resolver need, and nothing that makes a process, changes a file's name or touches the
 * system. */
#include "core/job/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* With any arguments. */
static const int allowed[] = {
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    /* descriptors: Landlock says which files can be opened */
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(newfstatat),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(statx),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* looking around: glibc's loader of resolver modules */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(stat),
    /* sockets; socket() and sending are below */
    SCMP_SYS(bind),
    SCMP_SYS(connect),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* waiting, time, chance */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pselect6),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),
    SCMP_SYS(select),
    SCMP_SYS(time),
    /* itself; alarm() and setitimer(): how long a probe may live */
    SCMP_SYS(alarm),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(setitimer),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    /* the rest of the sandbox, once the job is known */
    SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_restrict_self),
};

#define IS(n, value)                                                                               \
    {                                                                                              \
        n, SCMP_CMP_EQ, value, 0                                                                   \
    }
#define LACKS(n, flags)                                                                            \
    {                                                                                              \
        n, SCMP_CMP_MASKED_EQ, flags, 0                                                            \
    }

/* With these arguments alone. */
static const struct {
    int call;
    unsigned n;
    struct scmp_arg_cmp arguments[2];
} allowed_with[] = {
    { SCMP_SYS(socket), 1, { IS(0, AF_UNIX) } },
    { SCMP_SYS(socketpair), 1, { IS(0, AF_UNIX) } },
    /* Landlock limits where TCP connects to; MPTCP and the first bytes of a fast open pass it by. */
    { SCMP_SYS(socket), 2, { IS(0, AF_INET), IS(2, IPPROTO_IP) } },
    { SCMP_SYS(socket), 2, { IS(0, AF_INET), IS(2, IPPROTO_TCP) } },
    { SCMP_SYS(socket), 2, { IS(0, AF_INET), IS(2, IPPROTO_UDP) } },
    { SCMP_SYS(socket), 2, { IS(0, AF_INET6), IS(2, IPPROTO_IP) } },
    { SCMP_SYS(socket), 2, { IS(0, AF_INET6), IS(2, IPPROTO_TCP) } },
    { SCMP_SYS(socket), 2, { IS(0, AF_INET6), IS(2, IPPROTO_UDP) } },
    { SCMP_SYS(sendto), 1, { LACKS(3, MSG_FASTOPEN) } },
    { SCMP_SYS(sendmsg), 1, { LACKS(2, MSG_FASTOPEN) } },
    { SCMP_SYS(sendmmsg), 1, { LACKS(3, MSG_FASTOPEN) } },
    /* The resolver asks the kernel for the machine's addresses. */
    { SCMP_SYS(socket), 2, { IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE) } },
    /* For reading. Of the spool the worker has a descriptor. */
    { SCMP_SYS(openat), 1, { { 2, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY } } },
    /* Not F_SETOWN and F_SETSIG: a descriptor sends its owner any signal, and the owner is anyone. */
    { SCMP_SYS(fcntl), 1, { IS(1, F_DUPFD_CLOEXEC) } },
    { SCMP_SYS(fcntl), 1, { IS(1, F_GETFD) } },
    { SCMP_SYS(fcntl), 1, { IS(1, F_SETFD) } },
    { SCMP_SYS(fcntl), 1, { IS(1, F_GETFL) } },
    { SCMP_SYS(fcntl), 1, { IS(1, F_SETFL) } },
    { SCMP_SYS(ioctl), 1, { IS(1, FIONREAD) } },
    { SCMP_SYS(ioctl), 1, { IS(1, FIONBIO) } },
    { SCMP_SYS(ioctl), 1, { IS(1, TCGETS) } },
    /* Its own limits, which it cannot raise. */
    { SCMP_SYS(prlimit64), 1, { IS(0, 0) } },
    /* The name of a probe that becomes a job's worker. */
    { SCMP_SYS(prctl), 1, { IS(0, PR_SET_NAME) } },
};

static int fill(scmp_filter_ctx filter)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (r == 0) /* a tree instead of a list: about a hundred comparisons become seven */
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed_with); i++)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed_with[i].call, allowed_with[i].n,
                                   allowed_with[i].arguments);
    /* How abort() begins. Refused, it ends the process all the same, by a signal that is not taken
     * for a breach of the list; allowed, it could end others. */
    return r == 0 ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 0) : r;
}

/* libseccomp 2.5 writes a program to a descriptor only. */
static int export(scmp_filter_ctx filter, struct sock_fprog *ret)
{
    autoclose int fd = memfd_create("filter", MFD_CLOEXEC);
    struct stat st;
    int r = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);

    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        return -errno;
    ret->len = (unsigned short) ((size_t) st.st_size / sizeof(*ret->filter));
    ret->filter = mem_array(ret->len, sizeof(*ret->filter));
    if (!ret->filter)
        return -ENOMEM;
    return pread(fd, ret->filter, (size_t) st.st_size, 0) == st.st_size ? 0 : -EIO;
}

int syscalls_available(struct error *err)
{
    const uint32_t needed = SCMP_ACT_KILL_PROCESS;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &needed) < 0)
        return error_set(err, -ENOTSUP, "this kernel cannot filter them");
    return 0;
}

int syscalls_compile(struct sock_fprog *ret, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r;

    if (!filter)
        return error_set(err, -ENOMEM, "system call filter: out of memory");
    r = fill(filter);
    if (r == 0)
        r = export(filter, ret);
    seccomp_release(filter);
    return r < 0 ? error_errno(err, r, "system call filter") : 0;
}

int syscalls_confine(const struct sock_fprog *program)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) < 0 ? -errno : 0;
}

int syscalls_forbid_sockets(void)
{
    scmp_filter_ctx sealed = seccomp_init(SCMP_ACT_ALLOW);
    int r = sealed ? seccomp_attr_set(sealed, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

    if (r == 0)
        r = seccomp_rule_add(sealed, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 0);
    if (r == 0)
        r = seccomp_load(sealed);
    seccomp_release(sealed);
    return r;
}
