/* core/base/landlock.c - the rules of landlock.h by system call: no library of Debian 12 wraps it,
 * and its header knows level 2 only. */
#include "core/base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/str.h"

/* <linux/landlock.h> of Linux 6.12. A kernel takes a shorter struct, and a longer one whose unknown
 * end is zero. */
struct ruleset {
    uint64_t files, network, scopes;
};
struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));
struct port_rule {
    uint64_t allowed, port;
};

enum { ASK_LEVEL = 1 };
enum { RULE_PATH = 1, RULE_PORT = 2 };
enum { EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };
#define TRUNCATE (UINT64_C(1) << 14)
#define IOCTL_DEV (UINT64_C(1) << 15)
#define OF_FILES (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };

/* What a level restricts, all of it: execute, write, read, remove, make (1), link and rename to
 * elsewhere (2), truncate (3), devices' ioctl (5); bind and connect by TCP (4); abstract sockets and
 * signals (6). */
static struct ruleset all_of(int level)
{
    struct ruleset all = { .files = (UINT64_C(1) << 13) - 1 };

    if (level >= 2)
        all.files |= UINT64_C(1) << 13;
    if (level >= 3)
        all.files |= UINT64_C(1) << 14;
    if (level >= 4)
        all.network = BIND_TCP | CONNECT_TCP;
    if (level >= 5)
        all.files |= UINT64_C(1) << 15;
    if (level >= 6)
        all.scopes = 3;
    return all;
}

/* glibc's loader is told which modules by the settings. */
static const char *const resolver_files[] = {
    "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts",       "/etc/host.conf",
    "/etc/gai.conf",    "/etc/services",      "/etc/ld.so.cache", "/lib",
    "/lib64",           "/usr/lib",           "/usr/lib64",       "/usr/local/lib",
};

/* Private keys lie beside the system's certificates. */
static const char *const certificate_files[] = {
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
};

int landlock_level(void)
{
    long level = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_LEVEL);

    return level > 0 ? (int) level : 0;
}

static int allow(int ruleset, const char *path, uint64_t allowed)
{
    autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_rule rule = { .allowed = allowed, .fd = fd };
    struct stat st;

    /* A process that is hidden can be opened, but not looked at. */
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
    if (!S_ISDIR(st.st_mode))
        rule.allowed &= OF_FILES;
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

static int allow_each(int ruleset, const char *const *paths, size_t n, uint64_t allowed)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = allow(ruleset, paths[i], allowed);
    return r;
}

static int allow_files(int ruleset, const struct landlock_rules *rules, uint64_t all)
{
    const uint64_t reading = READ_FILE | READ_DIR;
    int r = allow_each(ruleset, rules->readable, rules->n_readable, reading);

    if (r == 0)
        r = allow_each(ruleset, rules->programs, rules->n_programs, reading | EXECUTE);
    if (r == 0)
        r = allow_each(ruleset, rules->writable, rules->n_writable, all);
    if (r == 0 && rules->resolver)
        r = allow_each(ruleset, resolver_files, ARRAY_LEN(resolver_files), reading);
    if (r == 0 && rules->certificates)
        r = allow_each(ruleset, certificate_files, ARRAY_LEN(certificate_files), reading);
    return r;
}

static int allow_port(int ruleset, uint16_t port)
{
    const struct port_rule rule = { .allowed = CONNECT_TCP, .port = port };

    return syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) < 0 ? -errno : 0;
}

int landlock_confine(const struct landlock_rules *rules)
{
    int level = landlock_level();
    struct ruleset all = all_of(level);
    autoclose int ruleset = -1;
    int r;

    if (level == 0)
        return 0;
    if (rules->any_port)
        all.network &= BIND_TCP;
    ruleset = (int) syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
    if (ruleset < 0)
        return -errno;
    r = allow_files(ruleset, rules, all.files);
    for (size_t i = 0; r == 0 && all.network && i < rules->n_ports; i++)
        r = allow_port(ruleset, rules->ports[i]);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        r = -errno;
    return r;
}
