/* tests/unit/supervisor/test_transfers.c - mirrors core/supervisor/transfers.c: which transfers begin, and which do not.
 * What they carry is in tests/integration/test_artifacts_stream.py. A script is the transfer process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/internal.h"
#include "tests/harness/harness.h"

#define FEW 8 /* descriptors: not enough for a transfer */

struct world {
    uv_loop_t loop;
    char *dir, *program;
    struct supervisor supervisor;
    struct config_runner runner;
    struct group group;
    struct job jobs[2];
    int workers[2]; /* their ends of the connections */
    struct frame_decoder decoders[2];
};

/* It ends, and leaves its link to a process that ends with the link. */
static const char program[] = "#!/bin/sh\ncat <&3 > /dev/null 2>&1 4>&- &\necho $$ > \"$0.self\"\n";

static void on_frame(void *arg, json_t *frame)
{
    (void) arg;
    (void) frame;
}

static void on_closed(void *arg, const char *why)
{
    (void) arg;
    (void) why;
}

static void add_job(struct world *world, size_t i)
{
    struct job *job = &world->jobs[i];
    int ends[2];

    *job = (struct job) { .supervisor = &world->supervisor,
                          .group = &world->group,
                          .job_id = (int64_t) i + 1,
                          .token = secret_from_str("token") };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(channel_open(&world->loop, ends[0], FRAME_MAX_OPERATOR, on_frame, on_closed,
                                  NULL, &job->worker, NULL),
                     0);
    world->workers[i] = ends[1];
    frame_decoder_init(&world->decoders[i], FRAME_MAX_OPERATOR);
}

static int setup(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));

    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->dir = harness_temp_dir();
    world->program = harness_path(world->dir, "program");
    harness_write(world->dir, "program", program);
    assert_int_equal(chmod(world->program, 0700), 0);
    world->supervisor.loop = &world->loop;
    world->supervisor.options.self_exe = world->program;
    world->group.runner = &world->runner;
    world->group.host.url = "http://127.0.0.1:1";
    for (size_t i = 0; i < ARRAY_LEN(world->jobs); i++)
        add_job(world, i);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    transfers_close(&world->supervisor);
    for (size_t i = 0; i < ARRAY_LEN(world->jobs); i++) {
        channel_close(world->jobs[i].worker);
        secret_free(world->jobs[i].token);
        free(world->jobs[i].artifact_url);
        (void) close(world->workers[i]);
        frame_decoder_done(&world->decoders[i]);
    }
    (void) uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    harness_remove_dir(world->dir);
    free(world->program);
    test_free(world);
    return 0;
}

static bool has_ended(const struct world *world)
{
    autofree char *path = harness_path(world->dir, "program.self");
    autofree char *text = access(path, R_OK) == 0 ? harness_read(world->dir, "program.self") : NULL;
    char *end = text ? strchr(text, '\n') : NULL;
    int64_t pid = 0;

    if (!end)
        return false;
    *end = '\0';
    return parse_i64(text, 2, INT32_MAX, &pid) == 0 && kill((pid_t) pid, 0) < 0;
}

static void ask(struct world *world, size_t job, int64_t id)
{
    autojson json_t *request = json_tokener_parse("{\"kind\":\"artifact_upload\"}");

    transfers_ask(&world->jobs[job], id, request);
}

/* What is there for a worker; "" = nothing. */
static const char *heard(struct world *world, size_t job)
{
    autojson json_t *frame = NULL;
    const char *type = "", *error = NULL;

    if (frame_recv(world->workers[job], &world->decoders[job], 0, &frame, NULL) <= 0)
        return "";
    (void) json_opt_str(frame, "type", &type, NULL);
    (void) json_opt_str(frame, "error", &error, NULL);
    return error ? "refused" : str_eq(type, "transfer_open") ? "open" : "other";
}

static rlim_t limit_descriptors(rlim_t most)
{
    struct rlimit files;
    rlim_t before;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    before = files.rlim_cur;
    files.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    return before;
}

/* There is room for another once a process has ended whose link has not: but not for that of a job which is
 * being dropped, whose worker is gone. */
static void test_nothing_begins_while_its_job_is_dropped(void **state)
{
    struct world *world = *state;
    rlim_t before;

    ask(world, 0, 1);
    assert_string_equal(heard(world, 0), "open");
    do
        (void) uv_run(&world->loop, UV_RUN_ONCE);
    while (!has_ended(world));
    before = limit_descriptors(FEW);
    ask(world, 0, 2);
    ask(world, 1, 1);
    (void) limit_descriptors(before);
    assert_string_equal(heard(world, 0), "");
    channel_close(world->jobs[0].worker);
    world->jobs[0].worker = NULL;
    transfers_drop(&world->jobs[0]);
    transfers_tick(&world->supervisor);
    assert_string_equal(heard(world, 1), "open");
}

/* It could not be told of its stream now; it is not refused for that, and others do not wait for it. */
static void test_a_worker_that_does_not_read_is_passed_over(void **state)
{
    autojson json_t *frame = json_frame("other");
    struct world *world = *state;
    const char *last = "other";

    for (int i = 0; i < 100000 && channel_is_flushed(world->jobs[0].worker); i++) {
        channel_send(world->jobs[0].worker, frame, FRAME_MAX_OPERATOR);
        (void) uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    assert_false(channel_is_flushed(world->jobs[0].worker));
    ask(world, 0, 1);
    ask(world, 1, 1);
    assert_string_equal(heard(world, 1), "open");
    while (str_eq(last, "other") || str_eq(last, "")) {
        last = heard(world, 0);
        (void) uv_run(&world->loop, UV_RUN_NOWAIT);
        transfers_tick(&world->supervisor);
    }
    assert_string_equal(last, "open");
}

/* The transfer process tells that GitLab has moved the upload there, and goes. */
static void play_moved(struct world *world, const char *url)
{
    autofree char *end = mem_printf("{\"type\":\"end\",\"base_url\":\"%s\"}", url);
    autofree char *text =
        mem_printf("#!/bin/sh\nprintf '\\000\\000\\000\\%03zo%%s' '%s' >&3\n", strlen(end), end);

    harness_write(world->dir, "program", text);
}

/* It speaks with the network: what it says there is where the job's token would go. */
static void test_a_transfer_chooses_no_other_server(void **state)
{
    static const struct {
        const char *url;
        bool taken;
    } rows[] = {
        { "http://127.0.0.1:2", false },       { "https://127.0.0.1:1", false },
        { "http://127.0.0.1:1@other", false }, { "http://other/http://127.0.0.1:1", false },
        { "http://127.0.0.1:1/moved", true },
    };
    struct world *world = *state;
    struct job *job = &world->jobs[0];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *last = "";

        play_moved(world, rows[i].url);
        ask(world, 0, (int64_t) i + 1);
        assert_string_equal(heard(world, 0), "open");
        for (; !*last; last = heard(world, 0))
            (void) uv_run(&world->loop, UV_RUN_ONCE);
        assert_string_equal(last, "other");
        if (!str_eq(job->artifact_url, rows[i].taken ? rows[i].url : NULL) &&
            (rows[i].taken || job->artifact_url))
            fail_msg("%s: %s", rows[i].url, job->artifact_url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_begins_while_its_job_is_dropped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_does_not_read_is_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_transfer_chooses_no_other_server, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
