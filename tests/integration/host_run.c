/* tests/integration/host_run.c - see host_run.h. */
#include "tests/integration/host_run.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

int32_t host_run(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg)
{
    int ends[2], status = 0;
    char data[4096];
    ssize_t n;
    pid_t child;

    (void) arg;
    if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0)
        return FLT_E_INTERNAL;
    if (child == 0) {
        (void) dup2(ends[1], STDOUT_FILENO);
        (void) execv(argv[0], (char *const *) (uintptr_t) argv);
        _exit(127);
    }
    (void) close(ends[1]);
    while ((n = read(ends[0], data, sizeof(data))) > 0)
        if (sink(sink_arg, data, (uint32_t) n) != 0)
            break;
    (void) close(ends[0]);
    (void) waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
