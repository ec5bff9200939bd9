/* tests/unit/job/start.h - a job for the tests of core/job/, made from a start frame with some of its
 * parts replaced. Include it after cmocka.h. */
#pragma once

#include <string.h>

#include "core/base/json.h"
#include "core/job/job.h"

#define START_SHA "1111111111111111111111111111111111111111"

static json_t *start_parse(const char *text)
{
    json_t *json = NULL;
    struct error err = { 0 };

    if (json_parse(text, strlen(text), &json, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return json;
}

/* Sets each key of the JSON object `more` in `object`; null takes a key away. */
static void start_merge(json_t *object, const char *more)
{
    autojson json_t *changes = start_parse(more);

    json_object_object_foreach(changes, key, value)
    {
        json_object_object_del(object, key);
        if (value)
            (void) json_object_object_add(object, key, json_object_get(value));
    }
}

/* A start frame with these changes to its payload and to its runner. The caller owns it. */
static json_t *start_frame(const char *payload, const char *runner)
{
    json_t *start = start_parse(
        "{\"type\":\"start\",\"seq\":1,\"payload\":{\"id\":7,\"token\":\"glcbt-64_job-token\","
        "\"job_info\":{\"project_id\":9},\"git_info\":{\"repo_url\":"
        "\"https://gitlab-ci-token:glcbt-64_job-token@gitlab.example.com:8443/g/p.git\","
        "\"ref\":\"main\",\"sha\":\"" START_SHA "\","
        "\"refspecs\":[\"+refs/heads/main:refs/remotes/origin/main\"],\"depth\":20},"
        "\"runner_info\":{\"timeout\":600},\"steps\":[]},"
        "\"runner\":{\"name\":\"r\",\"short_token\":\"abcdefghi\",\"shell\":\"sh\"},"
        "\"slot\":{\"instance\":\"i-1\",\"slot\":0,\"concurrent_id\":3,\"concurrent_project_id\":2}"
        ","
        "\"connect\":{\"protocol\":\"ssh\",\"password\":\"ssh-password\"}}");
    json_t *part = NULL;

    assert_int_equal(json_opt_object(start, "payload", &part, NULL), 0);
    start_merge(part, payload);
    assert_int_equal(json_opt_object(start, "runner", &part, NULL), 0);
    start_merge(part, runner);
    return start;
}

/* The job of such a frame; job_done() ends it. */
static inline struct job start_job(const char *payload, const char *runner)
{
    struct job job = { 0 };
    struct error err = { 0 };

    if (job_settings(&job, start_frame(payload, runner), &err) < 0)
        fail_msg("%s", err.message);
    return job;
}

#define autojob __attribute__((cleanup(job_done)))
