/* tests/unit/sdk/plugin_command.c - see plugin_command.h. */
#include "tests/unit/sdk/plugin_command.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <cmocka.h>

#include "tests/harness/harness.h"

extern char **environ;

char *plugin_command_copy(const struct plugin_command *command, const char *from, const char *name)
{
    autofree char *path = mem_printf("%s/%s.so", command->root, name);

    (void) unlink(path);
    harness_copy(from, path);
    return take_ptr(path);
}

char *plugin_command_install(const struct plugin_command *command, const char *name)
{
    autofree char *from = mem_printf("%s/%s.so", command->fakes, name);

    return plugin_command_copy(command, from, name);
}

static struct plugin_command_run start(const struct plugin_command *command, char *const *argv)
{
    struct plugin_command_run run;
    posix_spawn_file_actions_t actions;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    (void) posix_spawn_file_actions_init(&actions);
    (void) posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    assert_int_equal(posix_spawn(&run.pid, command->flotilla, &actions, NULL, argv, environ), 0);
    (void) posix_spawn_file_actions_destroy(&actions);
    (void) close(fds[1]);
    run.fd = fds[0];
    return run;
}

int plugin_command_end(struct plugin_command_run run, struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    int status = 0;

    while ((n = read(run.fd, chunk, sizeof(chunk))) > 0)
        buf_add(out, chunk, (size_t) n);
    (void) close(run.fd);
    assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int plugin_command_run(const struct plugin_command *command, char *const *argv, struct buf *out)
{
    return plugin_command_end(start(command, argv), out);
}

struct plugin_command_run plugin_command_start_check(const struct plugin_command *command,
                                                     char *file, const char *config)
{
    autofree char *path = mem_printf("%s.json", file);
    char *argv[] = { (char[]) { "flotilla" },
                     (char[]) { "plugin" },
                     (char[]) { "check" },
                     file,
                     (char[]) { "--timeout" },
                     (char[]) { "300ms" },
                     (char[]) { "--config" },
                     path,
                     NULL };

    harness_write(command->root, strrchr(path, '/') + 1, config);
    return start(command, argv);
}

int plugin_command_check(const struct plugin_command *command, char *file, const char *config,
                         struct buf *out)
{
    return plugin_command_end(plugin_command_start_check(command, file, config), out);
}

bool plugin_command_has_line(const char *text, const char *line)
{
    autofree char *copy = mem_strdup(text);

    for (char *rest = copy, *at; (at = strsep(&rest, "\n"));)
        if (fnmatch(line, at, 0) == 0)
            return true;
    return false;
}
