/* tests/unit/job/connect/ssh_world.c - see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/job/connect/ssh_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

#define WAIT_MS 200 /* less than the longest wait */

static const struct ssh_world nothing = { .pipe = { -1, -1 } };

int ssh_world_set_up(void **state)
{
    struct ssh_world *world = mem_dup(&nothing, sizeof(nothing));

    assert_non_null(world);
    *state = world;
    return 0;
}

int ssh_world_tear_down(void **state)
{
    ssh_world_stop(*state);
    free(*state);
    return 0;
}

static int poll_control(void *arg)
{
    struct ssh_world *world = arg;
    int64_t now = clock_mono_ms(&clock_system);

    world->quiet = now - world->last_ms >= WAIT_MS ? world->quiet + 1 : 0;
    world->last_ms = now;
    return world->act ? world->act(world) : 0;
}

static int accept_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                           struct error *err)
{
    struct ssh_world *world = arg;

    free(world->host_key_type);
    world->host_key_type = mem_strdup(type);
    return 0;
}

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct ssh_world *world = arg;

    buf_add(is_stderr ? &world->errors : &world->output, data, len);
    return 0;
}

void ssh_world_start(struct ssh_world *world, enum ssh_server_kind kind, const char *settings)
{
    world->kind = kind;
    world->dir = harness_temp_dir();
    ssh_server_start(&world->server, kind, world->dir, settings);
    world->options =
        (struct remote_options) { .address = "127.0.0.1",
                                  .port = world->server.port,
                                  .username = SSH_SERVER_USER,
                                  .private_key = world->server.user_key,
                                  .timeout_ms = 20000,
                                  .keepalive_ms = 30000,
                                  .check_host_key = accept_host_key,
                                  .check_arg = world,
                                  .watch = { .poll_control = poll_control, .arg = world } };
}

void ssh_world_connect(struct ssh_world *world)
{
    if (ssh_open(&world->options, &world->conn, &world->err) < 0)
        fail_msg("%s: %s", ssh_server_names[world->kind], world->err.message);
}

void ssh_world_stop(struct ssh_world *world)
{
    ssh_close(world->conn);
    ssh_server_stop(&world->server);
    harness_remove_dir(world->dir);
    buf_done(&world->output);
    buf_done(&world->errors);
    free(world->host_key_type);
    for (int i = 0; i < 2; i++)
        if (world->pipe[i] >= 0)
            (void) close(world->pipe[i]);
    *world = nothing;
}

void ssh_world_each(struct ssh_world *world, void (*test)(struct ssh_world *world))
{
    for (enum ssh_server_kind kind = 0; kind < SSH_SERVERS; kind++) {
        ssh_world_start(world, kind, NULL);
        ssh_world_connect(world);
        test(world);
        ssh_world_stop(world);
    }
}

int ssh_world_run(struct ssh_world *world, const char *command, int stdin_fd, int stdout_fd)
{
    const struct remote_exec exec = { .command = command,
                                      .stdin_fd = stdin_fd,
                                      .stdout_fd = stdout_fd,
                                      .on_output = on_output,
                                      .arg = world };
    struct remote_exit exit = { 0 };
    int r = ssh_exec(world->conn, &exec, &exit, &world->err);

    return r < 0 ? r : exit.status;
}

pid_t ssh_world_server(struct ssh_world *world)
{
    int64_t pid = 0;

    buf_clear(&world->output);
    assert_int_equal(ssh_world_run(world, "printf %s $PPID", 0, 0), 0);
    assert_int_equal(parse_i64(buf_str(&world->output), 2, INT32_MAX, &pid), 0);
    return (pid_t) pid;
}
