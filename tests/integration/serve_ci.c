/* tests/integration/serve_ci.c - the embedded coordinator alone, serving the jobs of a file, for
 * tests/integration/test_embedded_coordinator.py.
 *
 * Usage: serve_ci FILE TOKEN FOLDER [REPOSITORY]. Artifacts of up to 4096 bytes go to the folder; jobs may fetch from
 * the bare repository. Prints the URL, then one line of JSON for everything that the coordinator tells its owner, and
 * "done" when the pipeline is over. Ends when stdin does. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/coordinator.h"
#include "core/exec/payload.h"
#include "core/exec/pipeline.h"
#include "core/exec/sources.h"

#define ARTIFACT_MAX 4096

static struct ci_config *config;
static struct pipeline *pipeline;
static struct embedded_coordinator *coordinator;
static struct artifact_store *artifacts;
static uv_pipe_t input;

static const struct payload_pipeline shared = {
    .id = 7,
    .project_id = 9,
    .timeout_s = 3600,
    .project_name = "p",
    .project_path = "g/p",
    .repo_url = "file:///nowhere.git",
    .object_format = "sha1",
    .sha = "1111111111111111111111111111111111111111",
    .before_sha = "0000000000000000000000000000000000000000",
    .ref = "main",
};

static void tell(const char *what, int64_t id, const char *more, json_t *value)
{
    autojson json_t *line = json_object_new_object();

    (void) json_add_str(line, "event", what);
    (void) json_add_i64(line, "job", id);
    if (more)
        (void) json_add(line, more, value);
    (void) printf("%s\n", json_text(line));
    (void) fflush(stdout);
}

static bool take_job(void *arg, struct embedded_job *ret)
{
    struct pipeline_job *job = pipeline_take(pipeline);
    char token[PAYLOAD_TOKEN_SIZE];
    autojson json_t *payload = NULL;
    autofree struct payload_source *sources = NULL;
    struct payload_job of = { .token = token };

    (void) arg;
    if (!job)
        return false;
    payload_token(&rng_system, token);
    of.job = job->job;
    of.id = job->id;
    if (sources_of(pipeline, artifacts, job->job, &sources, &of.n_sources) < 0)
        return false;
    of.sources = sources;
    if (payload_new(&shared, config, &of, &payload, NULL) < 0)
        return false;
    *ret = (struct embedded_job) { .id = job->id,
                                   .token = mem_strdup(token),
                                   .payload = mem_strdup(json_text(payload)) };
    tell("given", job->id, NULL, NULL);
    return true;
}

static void on_returned(void *arg, int64_t job_id)
{
    (void) arg;
    pipeline_give_back(pipeline, job_id);
    tell("returned", job_id, NULL, NULL);
    embedded_coordinator_wake(coordinator);
}

static void on_running(void *arg, int64_t job_id)
{
    (void) arg;
    pipeline_started(pipeline, job_id, 0);
    tell("running", job_id, NULL, NULL);
}

static void on_trace(void *arg, int64_t job_id, const char *data, size_t len)
{
    (void) arg;
    tell("trace", job_id, "text", json_object_new_string_len(data, (int) len));
}

static void on_final(void *arg, int64_t job_id, bool success, const char *failure_reason,
                     int exit_code)
{
    (void) arg;
    pipeline_finished(pipeline, job_id, success, exit_code, failure_reason, 0);
    tell("final", job_id, "state",
         json_object_new_string(pipeline_state_name(pipeline_find(pipeline, job_id)->state)));
    if (pipeline_done(pipeline))
        tell("done", 0, "passed", json_object_new_boolean(pipeline_passed(pipeline)));
    else
        embedded_coordinator_wake(coordinator);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char space[256];

    (void) handle;
    (void) size;
    *buf = uv_buf_init(space, sizeof(space));
}

/* A line "cancel N" cancels a job. */
static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    autofree char *line = n > 0 ? mem_strndup(buf->base, (size_t) n) : NULL;
    int64_t id;

    if (n < 0) {
        embedded_coordinator_close(coordinator);
        uv_close((uv_handle_t *) stream, NULL);
        return;
    }
    if (line)
        line[strcspn(line, "\n")] = '\0';
    if (line && str_starts(line, "cancel ") && parse_i64(line + 7, 1, INT64_MAX, &id) == 0) {
        embedded_coordinator_cancel(coordinator, id);
        tell("canceled", id, NULL, NULL);
    }
}

static int load(const char *file, struct error *err)
{
    struct config_findings findings = { 0 };
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(AT_FDCWD, file, 1 << 20, &text, err);

    if (r == 0)
        r = ci_config_parse(file, buf_str(&text), text.len, NULL, NULL, &config, &findings, err);
    config_findings_done(&findings);
    return r < 0 ? r : pipeline_new(config, NULL, 0, &pipeline, err);
}

int main(int argc, char **argv)
{
    struct embedded_options options = { .runner_token = argc > 2 ? argv[2] : "",
                                        .take_job = take_job,
                                        .on_returned = on_returned,
                                        .on_running = on_running,
                                        .on_trace = on_trace,
                                        .on_final = on_final };
    struct error err = { 0 };
    uv_loop_t loop;

    if (argc < 4 || argc > 5 || uv_loop_init(&loop) < 0)
        return 2;
    if (load(argv[1], &err) < 0 || artifact_store_new(argv[3], ARTIFACT_MAX, &artifacts, &err) < 0)
        return 1;
    options.artifacts = artifacts;
    options.repository = argv[4]; /* NULL behind the last */
    if (embedded_coordinator_new(&loop, NULL, &options, &coordinator, &err) < 0) {
        (void) fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    (void) printf("%s\n", embedded_coordinator_url(coordinator));
    (void) fflush(stdout);
    (void) uv_pipe_init(&loop, &input, 0);
    (void) uv_pipe_open(&input, 0);
    (void) uv_read_start((uv_stream_t *) &input, on_alloc, on_input);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    artifact_store_free(artifacts);
    pipeline_free(pipeline);
    ci_config_free(config);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
