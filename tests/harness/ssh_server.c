/* tests/harness/ssh_server.c - a real SSH server on loopback for one test (ssh_server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/ssh_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

#define HOST_KEY "host_key"
#define LOGIN_KEY "login_key"
/* crypt() of SSH_SERVER_PASSWORD */
#define PASSWORD_HASH                                                                              \
    "$6$flotilla$BR2VQ7rfeSYoymgV/i1LcCjrQZGxmoXHmjStwNw5DG/qkIVuilK9AH82eg8ZEFq7PY3SaAVaoQovq/"   \
    "qYGIGCf/"

static const char *const programs[SSH_SERVERS] = { "/usr/sbin/sshd", "/usr/sbin/dropbear" };
const char *const ssh_server_names[SSH_SERVERS] = { "OpenSSH", "dropbear" };

void ssh_server_run(const char *const argv[])
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 && dup2(nothing, 2) == 2)
            execvp(argv[0], (char *const *) (uintptr_t) argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("%s ended with %d", argv[0], status);
}

void ssh_server_let_in(const char *dir, const char *name)
{
    autofree char *public_name = mem_printf("%s.pub", name);
    autofree char *text = harness_read(dir, public_name);
    autofree char *path = harness_path(dir, "home/.ssh/authorized_keys");
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

char *ssh_server_make_key(const char *dir, const char *name, const char *const options[])
{
    autofree char *path = harness_path(dir, name);
    const char *argv[16] = { "ssh-keygen", "-q", "-f", path };

    for (size_t i = 0; options[i]; i++) {
        assert_true(i + 5 < ARRAY_LEN(argv));
        argv[i + 4] = options[i];
    }
    ssh_server_run(argv);
    ssh_server_let_in(dir, name);
    return harness_read(dir, name);
}

static void make_directory(const char *dir, const char *name)
{
    autofree char *path = harness_path(dir, name);

    assert_int_equal(mkdir(path, 0700), 0);
}

/* What the server is told about its one account. */
static void make_account(const char *dir)
{
    autobuf struct buf passwd = BUF_INIT, group = BUF_INIT;

    make_directory(dir, "home");
    make_directory(dir, "home/.ssh");
    buf_addf(&passwd,
             "root:x:0:0::/nonexistent:/bin/false\nsshd:x:65534:65534::/nonexistent:/bin/false\n");
    buf_addf(&passwd, SSH_SERVER_USER ":x:%d:%d::%s/home:/bin/sh\n", (int) geteuid(),
             (int) getegid(), dir);
    buf_addf(&group, SSH_SERVER_USER ":x:%d:\n", (int) getegid());
    harness_write(dir, "passwd", buf_str(&passwd));
    harness_write(dir, "group", buf_str(&group));
    harness_write(dir, "shadow", SSH_SERVER_USER ":" PASSWORD_HASH ":19000:0:99999:7:::\n");
}

static void make_host_key(enum ssh_server_kind kind, const char *dir)
{
    autofree char *path = harness_path(dir, HOST_KEY);
    const char *const openssh[] = {
        "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, NULL
    };
    const char *const dropbear[] = { "dropbearkey", "-t", "ed25519", "-f", path, NULL };

    ssh_server_run(kind == SSH_SERVER_OPENSSH ? openssh : dropbear);
}

/* Modules of libpam-wrapper ask for the account's password, by keyboard-interactive. */
static void make_pam(const char *dir)
{
    autobuf struct buf service = BUF_INIT;
    glob_t found = { 0 };

    if (glob("/usr/lib/*/pam_wrapper/pam_matrix.so", 0, NULL, &found) != 0)
        harness_skip("libpam-wrapper is missing: see scripts/install-packages test");
    for (int i = 0; i < 4; i++)
        buf_addf(&service, "%s required %s passdb=%s/passdb\n",
                 ((const char *const[]) { "auth", "account", "password", "session" })[i],
                 found.gl_pathv[0], dir);
    globfree(&found);
    make_directory(dir, "pam");
    harness_write(dir, "pam/sshd", buf_str(&service));
    harness_write(dir, "passdb", SSH_SERVER_USER ":" SSH_SERVER_PASSWORD ":sshd\n");
}

void ssh_server_configure(const char *dir, const char *settings)
{
    autobuf struct buf text = BUF_INIT;

    if (settings)
        buf_add_str(&text, settings);
    if (settings && strstr(settings, "UsePAM yes"))
        make_pam(dir);
    buf_addf(&text,
             "HostKey %s/" HOST_KEY "\nPidFile none\nStrictModes no\nUsePAM no\n"
             "PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
             dir);
    harness_write(dir, "sshd_config", buf_str(&text));
    if (geteuid() == 0)
        (void) mkdir("/run/sshd", 0755);
}

static void set_path(const char *name, const char *dir, const char *file)
{
    autofree char *path = harness_path(dir, file);

    (void) setenv(name, path, 1);
}

/* Becomes the server of one connection. */
static void serve(enum ssh_server_kind kind, const char *dir, int connection)
{
    autofree char *config = harness_path(dir, "sshd_config"), *key = harness_path(dir, HOST_KEY);
    autofree char *log_path = harness_path(dir, SSH_SERVER_LOG), *pam = harness_path(dir, "pam");
    bool uses_pam = access(pam, F_OK) == 0;
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    char *const openssh[] = { (char *) "sshd", (char *) "-i", (char *) "-e",
                              (char *) "-f",   config,        NULL };
    char *const dropbear[] = { (char *) "dropbear", (char *) "-i", (char *) "-r", key, NULL };

    (void) dup2(connection, 0);
    (void) dup2(connection, 1);
    (void) dup2(log, 2);
    (void) close(connection);
    (void) close(log);
    (void) signal(SIGPIPE, SIG_DFL);
    (void) signal(SIGCHLD, SIG_DFL);
    (void) setenv("LD_PRELOAD",
                  uses_pam ? "libpam_wrapper.so libnss_wrapper.so" : "libnss_wrapper.so", 1);
    (void) setenv("PAM_WRAPPER", "1", 1);
    (void) setenv("PAM_WRAPPER_SERVICE_DIR", pam, 1);
    set_path("NSS_WRAPPER_PASSWD", dir, "passwd");
    set_path("NSS_WRAPPER_GROUP", dir, "group");
    set_path("NSS_WRAPPER_SHADOW", dir, "shadow");
    (void) execv(programs[kind], kind == SSH_SERVER_OPENSSH ? openssh : dropbear);
    _exit(127);
}

static void accept_connections(enum ssh_server_kind kind, const char *dir, int listener)
{
    (void) signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            _exit(1);
        if (fork() == 0)
            serve(kind, dir, fd);
        (void) close(fd);
    }
}

void ssh_server_start(struct ssh_server *server, enum ssh_server_kind kind, const char *dir,
                      const char *settings)
{
    static const char *const ed25519[] = { "-t", "ed25519", "-N", "", NULL };
    int listener;

    if (access(programs[kind], X_OK) < 0)
        harness_skip("scripts/install-packages test installs the SSH servers");
    make_account(dir);
    make_host_key(kind, dir);
    if (kind == SSH_SERVER_OPENSSH)
        ssh_server_configure(dir, settings);
    server->user_key = ssh_server_make_key(dir, LOGIN_KEY, ed25519);
    listener = harness_listen(&server->port);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        accept_connections(kind, dir, listener);
    }
    (void) close(listener);
}

void ssh_server_stop(struct ssh_server *server)
{
    if (server->pid > 0) {
        (void) kill(server->pid, SIGKILL);
        (void) waitpid(server->pid, NULL, 0);
    }
    free(server->user_key);
    *server = (struct ssh_server) { 0 };
}
