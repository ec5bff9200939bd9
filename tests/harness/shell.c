/* tests/harness/shell.c - runs a generated script as an instance's shell does (shell.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/shell.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"

const char *const harness_shell_names[HARNESS_SHELLS] = { "bash", "dash", "busybox sh" };

static int new_file(void)
{
    int fd = memfd_create("shell", MFD_CLOEXEC);

    if (fd < 0)
        fail_msg("memfd_create: %s", strerror(errno));
    return fd;
}

static void become_shell(enum harness_shell shell, const char *dir, const int fds[3])
{
    static char *const words[HARNESS_SHELLS][3] = { { (char *) "bash" },
                                                    { (char *) "dash" },
                                                    { (char *) "busybox", (char *) "sh" } };
    autobuf struct buf home = BUF_INIT;

    buf_addf(&home, "HOME=%s", dir);
    char *const environment[] = { home.data,
                                  (char *) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                           "/usr/bin:/sbin:/bin",
                                  NULL };

    if (chdir(dir) == 0 && dup2(fds[0], 0) == 0 && dup2(fds[1], 1) == 1 && dup2(fds[2], 2) == 2)
        execvpe(words[shell][0], words[shell], environment);
    _exit(126);
}

static void add_contents(struct buf *out, int fd)
{
    char part[4096];
    ssize_t n;

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(out, part, (size_t) n);
    assert_int_equal(n, 0);
}

int harness_run_shell(enum harness_shell shell, const char *dir, const struct buf *script,
                      struct buf *out, struct buf *errors)
{
    autoclose int input = new_file(), output = new_file(), error_output = new_file();
    int status = 0;
    pid_t pid;

    assert_int_equal(fs_write_all(input, script->data, script->len), 0);
    assert_int_equal(lseek(input, 0, SEEK_SET), 0);
    pid = fork();
    if (pid == 0)
        become_shell(shell, dir, (const int[]) { input, output, error_output });
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    add_contents(out, output);
    add_contents(errors, error_output);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
