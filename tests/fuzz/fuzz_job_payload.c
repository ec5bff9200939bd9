/* tests/fuzz/fuzz_job_payload.c - a hostile job: its payload becomes settings, variables, masks and
 * scripts, or is refused with a sentence.
 *
 * Input: the payload as JSON; what is none is left out. A crash, a refusal without a reason, a
 * script that holds a NUL or a directory outside the root aborts.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/job/job.h"

#define INPUT_MAX 65536
#define LOGIN_DIR "/home/u"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_job_payload: %s\n", what);
    abort();
}

static json_t *start_of(json_t *payload)
{
    static const char rest[] =
        "{\"type\":\"start\",\"seq\":1,\"runner\":{\"name\":\"r\",\"short_token\":\"abcdefghi\","
        "\"shell\":\"sh\",\"pre_get_sources_script\":\"echo 1\",\"custom_build_dir\":true,"
        "\"slot_cgroup_template\":\"s/${slot}\"},\"slot\":{\"instance\":\"i-1\","
        "\"slot\":0},\"connect\":{\"protocol\":\"ssh\",\"password\":\"ssh-password\"}}";
    json_t *start = NULL;

    require(json_parse(rest, sizeof(rest) - 1, &start, NULL) == 0, "memory");
    require(json_add(start, "payload", json_object_get(payload)) == 0, "memory");
    return start;
}

static void check_script(const struct job *job, void (*write)(const struct job *, struct buf *))
{
    autobuf struct buf body = BUF_INIT, script = BUF_INIT;

    write(job, &body);
    if (stage_script(job, buf_str(&body), STAGE_VARIABLES, &script) < 0)
        return; /* too long */
    require(strlen(buf_str(&body)) == body.len && strlen(buf_str(&script)) == script.len,
            "a script holds a NUL");
}

static void check_directories(const struct job *job)
{
    size_t len = strlen(LOGIN_DIR);

    require(str_starts(job->build_dir, LOGIN_DIR "/"), "the job works outside its root");
    require(path_is_sound(job->build_dir + len + 1, strlen(job->build_dir) - len - 1),
            "the build directory leads elsewhere");
}

static void try_job(json_t *payload, int null_fd)
{
    struct job job = { 0 };
    struct error err = { 0 };
    int r = job_settings(&job, start_of(payload), &err);

    if (r == 0)
        r = job_open_trace(&job, null_fd, &err);
    if (r == 0)
        r = directories_set(&job, LOGIN_DIR, &err);
    require(r == 0 || !str_empty(err.message), "a job is refused without a reason");
    if (r == 0) {
        check_directories(&job);
        check_script(&job, get_sources_script);
        check_script(&job, clear_worktree_script);
        check_script(&job, cleanup_script);
        require(trace_line(job.trace, TRACE_PLAIN, "a line") == 0, "no line can be written");
    }
    job_done(&job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int null_fd = -1;
    autojson json_t *payload = NULL;

    if (null_fd < 0)
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (size > INPUT_MAX || json_parse((const char *) data, size, &payload, NULL) < 0 ||
        !json_object_is_type(payload, json_type_object))
        return 0;
    try_job(payload, null_fd);
    return 0;
}
