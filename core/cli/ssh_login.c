/* core/cli/ssh_login.c - what the system's ssh is told (ssh_login.h).
 *
 * It reads files by their names, and closes what it inherits. So everything is a file in memory that is held by a child of
 * ours and read as /proc/PID/fd/N: nothing has to be removed, whatever ends when. A VM is a second host behind the first
 * (ProxyJump), for which ssh starts another ssh with the same configuration. */
#include "core/cli/ssh_login.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/host_port.h"
#include "core/base/str.h"
#include "core/cli/ask.h"

#define INSTANCE "flotilla-instance"
#define VM "flotilla-vm"
#define PASSWORD_VARIABLE "FLOTILLA_ASKPASS"
#define VM_PASSWORD_VARIABLE "FLOTILLA_ASKPASS_VM"
#define SECRET_MAX (64 * 1024)
#define FILES 7 /* the configuration; of the instance and of a VM: host keys, key, password */

/* Made before the process that keeps them, and written behind it: their names have its number. */
struct files {
    int fds[FILES];
    size_t n; /* written */
    pid_t keeper;
};

/* For us alone: ssh takes no key that others could read. */
static int make_files(struct files *files, struct error *err)
{
    for (size_t i = 0; i < FILES; i++) {
        files->fds[i] = memfd_create("flotilla", MFD_CLOEXEC);
        if (files->fds[i] < 0 || fchmod(files->fds[i], 0600) < 0)
            return error_errno(err, -errno, "a file in memory");
    }
    return 0;
}

static int write_file(struct files *files, const char *content, size_t len, char path[32],
                      struct error *err)
{
    int fd = files->fds[files->n++];
    int r = fs_write_all(fd, content, len);

    (void) snprintf(path, 32, "/proc/%d/fd/%d", (int) files->keeper, fd);
    return r < 0 ? error_errno(err, r, "a file in memory") : 0;
}

/* It waits for the descriptors' sake alone, and dies with this process, which becomes ssh. */
static _Noreturn void keep(pid_t parent)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) setsid(); /* the terminal's signals are not for it */
    (void) harden_limit(RLIMIT_CORE, 0);
    for (int fd = 0; fd <= 2; fd++)
        (void) close(fd);
    (void) fs_open_std_null();
    while (getppid() == parent)
        (void) pause();
    _exit(0);
}

/* What comes from providers, and of VMs from instances: it must not add lines of its own. */
static int add_setting(struct buf *out, const char *key, const char *value, struct error *err)
{
    for (const char *at = value; *at; at++)
        if ((unsigned char) *at < ' ' || *at == 0x7f || *at == '%')
            return error_set(err, -EINVAL, "%s '%.80s' has characters that ssh is not told", key,
                             value);
    buf_addf(out, "  %s \"", key);
    for (const char *at = value; *at; at++) {
        if (*at == '"' || *at == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *at);
    }
    buf_add_str(out, "\"\n");
    return 0;
}

/* The keys that the manager knows, as lines of a known_hosts file. */
static void list_host_keys(json_t *connect, const char *alias, struct buf *out)
{
    size_t n;
    json_t *keys = ask_list(connect, "host_keys", &n);

    for (size_t i = 0; i < n; i++) {
        json_t *key = json_object_array_get_idx(keys, i);

        buf_addf(out, "%s %s %s\n", alias, ask_text(key, "type"), ask_text(key, "key"));
    }
}

/* A person may trust a key on first use, too, but not where a password would follow. */
static int add_host_keys(struct files *files, json_t *connect, const char *alias, struct buf *out,
                         struct error *err)
{
    const char *policy = ask_text(connect, "host_key_policy"), *checking = "yes";
    autobuf struct buf known = BUF_INIT;
    char path[32] = "/dev/null";
    int r = 0;

    list_host_keys(connect, alias, &known);
    if (known.len > 0)
        r = write_file(files, known.data, known.len, path, err);
    else if (str_eq(policy, "tofu") && !*ask_text(connect, "password"))
        checking = "ask";
    if (str_eq(policy, "accept"))
        checking = "no";
    buf_addf(out, "  HostKeyAlias %s\n  UserKnownHostsFile %s\n  StrictHostKeyChecking %s\n", alias,
             path, checking);
    return r;
}

/* The key, and what is to be asked for the password. */
static int add_credentials(struct files *files, json_t *connect, const char *variable,
                           struct buf *out, struct error *err)
{
    const char *key = ask_text(connect, "key"), *password = ask_text(connect, "password");
    char path[32] = "none";
    int r = 0;

    if (*key)
        r = write_file(files, key, strlen(key), path, err);
    buf_addf(out, "  IdentityFile %s\n", path);
    if (r < 0 || !*password)
        return r;
    r = write_file(files, password, strlen(password), path, err);
    (void) setenv(variable, path, 1);
    return r;
}

static int add_host(struct files *files, json_t *connect, const char *alias, const char *variable,
                    struct buf *out, struct error *err)
{
    int64_t given = ask_number(connect, "port");
    char address[512], *host;
    unsigned port;
    int r = str_copy(address, sizeof(address), ask_text(connect, "address"));

    if (r < 0 || !*address)
        return error_set(err, -EINVAL, "%s has no address that ssh could take", alias);
    port = host_port_split(address, &host, (uint16_t) (given > 0 ? given : 22));
    buf_addf(out, "Host %s\n  Port %u\n", alias, port);
    r = add_setting(out, "HostName", host, err);
    if (r == 0 && *ask_text(connect, "username"))
        r = add_setting(out, "User", ask_text(connect, "username"), err);
    if (r == 0)
        r = add_host_keys(files, connect, alias, out, err);
    return r < 0 ? r : add_credentials(files, connect, variable, out, err);
}

/* Nothing of the person's own: no keys, agents, forwardings and connections that are shared. */
static void add_rules(struct buf *out)
{
    buf_add_str(out, "Host *\n"
                     "  IdentitiesOnly yes\n  IdentityAgent none\n  ForwardAgent no\n"
                     "  ForwardX11 no\n  ControlPath none\n  GlobalKnownHostsFile /dev/null\n"
                     "  CheckHostIP no\n  UpdateHostKeys no\n  LogLevel ERROR\n"
                     "  ConnectTimeout 30\n  ServerAliveInterval 30\n"
                     "  NumberOfPasswordPrompts 1\n"
                     "  PreferredAuthentications publickey,password,keyboard-interactive\n");
}

static int write_config(struct files *files, json_t *answer, bool terminal, struct ssh_login *ret,
                        struct error *err)
{
    autobuf struct buf config = BUF_INIT;
    json_t *connect = NULL, *vm = NULL;
    int r;

    (void) json_opt_object(answer, "connect", &connect, NULL);
    (void) json_opt_object(answer, "vm", &vm, NULL);
    ret->target = vm ? VM : INSTANCE;
    r = add_host(files, connect, INSTANCE, PASSWORD_VARIABLE, &config, err);
    if (r == 0 && vm)
        r = add_host(files, vm, VM, VM_PASSWORD_VARIABLE, &config, err);
    if (r < 0)
        return r;
    if (vm)
        buf_add_str(&config, "  ProxyJump " INSTANCE "\n");
    buf_addf(&config, "Host %s\n  RequestTTY %s\n", ret->target, terminal ? "yes" : "no");
    add_rules(&config);
    if (buf_error(&config) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return write_file(files, config.data, config.len, ret->config, err);
}

int ssh_login_prepare(json_t *answer, bool terminal, struct ssh_login *ret, struct error *err)
{
    struct files files = { 0 };
    pid_t self = getpid();
    bool with_password;
    int r = make_files(&files, err);

    if (r < 0)
        return r;
    files.keeper = fork();
    if (files.keeper < 0)
        return error_errno(err, -errno, "a process cannot be started");
    if (files.keeper == 0)
        keep(self);
    (void) unsetenv(PASSWORD_VARIABLE);
    (void) unsetenv(VM_PASSWORD_VARIABLE);
    r = write_config(&files, answer, terminal, ret, err);
    /* With a password ssh asks us alone; without one the person, at the terminal, whether a new host key is right. */
    with_password = ssh_login_is_asked();
    (void) setenv("SSH_ASKPASS", cli_self_exe(), 1);
    (void) setenv("SSH_ASKPASS_REQUIRE", with_password ? "force" : "never", 1);
    return r;
}

bool ssh_login_is_asked(void)
{
    return getenv(PASSWORD_VARIABLE) || getenv(VM_PASSWORD_VARIABLE);
}

/* Anything else that ssh may ask, such as for the passphrase of a key, has no answer. */
int ssh_login_answer(int argc, char **argv)
{
    const char *question = argc > 1 ? argv[1] : "";
    const char *file = getenv(strstr(question, VM) ? VM_PASSWORD_VARIABLE : PASSWORD_VARIABLE);
    autobuf struct buf password = BUF_SECRET;
    struct error err = { 0 };

    if (getenv("SSH_ASKPASS_PROMPT") || !strstr(question, "assword") || !file)
        return 1;
    if (fs_read_file(AT_FDCWD, file, SECRET_MAX, &password, &err) < 0) {
        cli_say("flotilla: the password: %s", err.message);
        return 1;
    }
    (void) printf("%s\n", buf_str(&password));
    return 0;
}
