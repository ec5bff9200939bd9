/* core/job/sandbox.c - the steps of sandbox.h: which limits, files and ports. */
#include "core/job/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/base/harden.h"
#include "core/base/landlock.h"
#include "core/base/str.h"
#include "core/job/syscalls.h"

#define FILES_MAX 128
#define MEMORY_MAX (UINT64_C(256) * 1024 * 1024)
#define FILE_SIZE_SPARE (1024 * 1024) /* for notices and last lines behind a log's limit */
#define DNS_PORT 53

#ifdef FLOTILLA_SANITIZED
static const bool possible = false;
#else
static const bool possible = true;
#endif

/* The spawner's, shared by its forks; without instructions there is no filter. */
static struct sock_fprog filter;

int sandbox_prepare(bool filter_calls, struct error *err)
{
    if (!possible || !filter_calls || syscalls_available(NULL) < 0)
        return 0;
    return syscalls_compile(&filter, err);
}

int sandbox_enter(void)
{
    int r = harden_limit(RLIMIT_NOFILE, FILES_MAX);

    /* A log that grows beyond its limit is an error for who writes it, not a death. */
    (void) signal(SIGXFSZ, SIG_IGN);
    if (!possible)
        return r;
    if (r == 0)
        r = harden_limit(RLIMIT_AS, MEMORY_MAX);
    if (r == 0)
        r = harden_limit(RLIMIT_NPROC, 0); /* means nothing to root, whom the filter stops */
    if (r == 0)
        r = harden_drop_capabilities();
    if (r == 0 && filter.len > 0)
        r = syscalls_confine(&filter);
    return r;
}

static bool is_literal(const char *address)
{
    struct in6_addr parsed;

    return inet_pton(AF_INET, address, &parsed) == 1 || inet_pton(AF_INET6, address, &parsed) == 1;
}

int sandbox_narrow(const struct remote_options *instance, int64_t output_limit, struct error *err)
{
    const uint16_t ports[] = { instance->port, DNS_PORT };
    bool literal = is_literal(instance->address); /* there is nothing to look up */
    const struct remote_files files = remote_files(instance);
    const struct landlock_rules rules = { .readable = files.paths,
                                          .n_readable = files.n,
                                          .certificates = files.certificates,
                                          .resolver = !literal || files.modules,
                                          .ports = ports,
                                          .n_ports = literal ? 1 : ARRAY_LEN(ports) };
    int r = remote_prepare(instance, err);

    if (r < 0)
        return r;
    r = harden_limit(RLIMIT_FSIZE, (uint64_t) output_limit + FILE_SIZE_SPARE);
    if (r == 0 && possible)
        r = landlock_confine(&rules);
    return r < 0 ? error_errno(err, r, "the worker's sandbox cannot be made") : 0;
}

int sandbox_enter_sealed(void)
{
    const struct landlock_rules nothing = { 0 };
    int r = harden_limit(RLIMIT_FSIZE, 0);

    if (r == 0 && filter.len > 0)
        r = syscalls_forbid_sockets();
    if (r == 0)
        r = sandbox_enter();
    return r == 0 && possible ? landlock_confine(&nothing) : r;
}

bool sandbox_describe(bool filter_calls, struct buf *out)
{
    struct error err = { .message = "worker_seccomp is off" };
    bool filtered = filter_calls && syscalls_available(&err) == 0;
    int level = landlock_level();

    if (!possible) {
        buf_add_str(out, "job workers have no sandbox in a build with sanitizers");
        return false;
    }
    if (filtered)
        buf_add_str(out, "job workers: system calls are filtered");
    else
        buf_addf(out, "job workers: system calls are not filtered (%s)", err.message);
    if (level > 0)
        buf_addf(out, ", files%s limited by Landlock (level %d)", level >= 4 ? " and ports" : "",
                 level);
    else
        buf_add_str(out, ", files and ports not limited: this kernel has no Landlock");
    return level > 0 && filtered;
}
