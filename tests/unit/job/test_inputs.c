/* tests/unit/job/test_inputs.c - mirrors core/job/inputs.c (coordinator-protocol.md 2.11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/unit/job/start.h"

#define INPUT(key, type, content)                                                                  \
    "{\"key\":\"" key "\",\"value\":{\"type\":\"" type "\",\"content\":" content                   \
    ",\"sensitive\":true}}"
#define INPUTS                                                                                     \
    "\"inputs\":[" INPUT("text", "string", "\"a b${{ job.inputs.n }}\"") "," INPUT(                \
        "n", "number", "1.50") "," INPUT("yes", "boolean", "true") "," INPUT("list", "array",      \
                                                                             "[1,\"x/y\"]") "]"
#define RUNNER "{\"builds_dir\":\"/b\"}"

/* A job whose one command and image are this. */
static char *payload_of(const char *command, const char *inputs)
{
    return mem_printf("{\"steps\":[{\"name\":\"script\",\"script\":[\"%s\"]}],"
                      "\"image\":{\"name\":\"%s\"},%s}",
                      command, command, inputs);
}

static const char *command_of(const struct job *job)
{
    json_t *steps = json_object_object_get(job->payload, "steps");
    json_t *script = json_object_object_get(json_object_array_get_idx(steps, 0), "script");

    return json_object_get_string(json_object_array_get_idx(script, 0));
}

static void test_references_give_their_values(void **unused)
{
    static const struct {
        const char *command, *inputs, *want, *refused; /* NULL = not */
    } cases[] = {
        { "plain ${HOME} {{ }}", INPUTS, "plain ${HOME} {{ }}", NULL },
        { "<${{ job.inputs.text }}>", INPUTS, "<a b${{ job.inputs.n }}>", NULL },
        { "${{job.inputs.n}}${{  job.inputs.yes  }}", INPUTS, "1.50true", NULL },
        { "${{ job.inputs.list }}", INPUTS, "[1,\"x/y\"]", NULL },
        { "${{ job.inputs.text }}", "\"inputs\":[]", "${{ job.inputs.text }}", NULL },
        { "${{ job.inputs.text }}", "\"inputs\":null", "${{ job.inputs.text }}", NULL },
        { "${{ job.inputs.none }}", INPUTS, NULL,
          "steps: [0]: script: [0]: the job has no such input: ${{ job.inputs.none }}" },
        { "${{ job.name }}", INPUTS, NULL,
          "steps: [0]: script: [0]: only job.inputs.NAME can be used in a job: ${{ job.name }}" },
        { "${{ job.inputs.n + 1 }}", INPUTS, NULL,
          "steps: [0]: script: [0]: only job.inputs.NAME can be used in a job: "
          "${{ job.inputs.n + 1 }}" },
        { "${{ job.inputs. }}", INPUTS, NULL,
          "steps: [0]: script: [0]: only job.inputs.NAME can be used in a job: "
          "${{ job.inputs. }}" },
        { "x ${{ job.inputs.n", INPUTS, NULL, "steps: [0]: script: [0]: ${{ is not closed by }}" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *payload = payload_of(cases[i].command, cases[i].inputs);
        autojob struct job job = start_job(payload, RUNNER);

        if (cases[i].refused) {
            if (job.refused.kind != END_CONFIG || !str_eq(job.refused.message, cases[i].refused))
                fail_msg("%s: %s", cases[i].command, job.refused.message);
            continue;
        }
        if (job.refused.kind != END_OK || !str_eq(command_of(&job), cases[i].want))
            fail_msg("%s: %s %s", cases[i].command, command_of(&job), job.refused.message);
        if (!strstr(cases[i].want, "$"))
            assert_string_equal(variables_get(&job.variables, "CI_JOB_IMAGE"), cases[i].want);
    }
}

static void test_the_flag_leaves_the_text(void **unused)
{
    autofree char *payload = payload_of("${{ job.inputs.n }}", INPUTS);
    autojob struct job job = start_job(payload, "{\"builds_dir\":\"/b\",\"feature_flags\":"
                                                "{\"FF_ENABLE_JOB_INPUTS_INTERPOLATION\":false}}");

    (void) unused;
    assert_string_equal(command_of(&job), "${{ job.inputs.n }}");
}

static void test_what_is_no_input_refuses_the_job(void **unused)
{
    static const struct {
        const char *inputs, *want;
    } cases[] = {
        { "\"inputs\":[{\"value\":{\"type\":\"string\",\"content\":\"x\"}}]", "inputs: " },
        { "\"inputs\":[{\"key\":\"a\"}]", "inputs: a has no value" },
        { "\"inputs\":[" INPUT("a", "string", "null") "]", "inputs: a has no value" },
        { "\"inputs\":[" INPUT("a", "string", "1") "]",
          "inputs: a: its value does not fit its type 'string'" },
        { "\"inputs\":[" INPUT("a", "file", "\"x\"") "]",
          "inputs: a: its value does not fit its type 'file'" },
        { "\"inputs\":[" INPUT("a", "string", "\"x\\u0000y\"") "]",
          "inputs: a: its value does not fit its type 'string'" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *payload = payload_of("true", cases[i].inputs);
        autojob struct job job = { 0 };
        struct error err = { 0 };

        assert_true(job_settings(&job, start_frame(payload, RUNNER), &err) < 0);
        if (!str_starts(err.message, cases[i].want))
            fail_msg("%s: %s", cases[i].inputs, err.message);
    }
}

static void test_sensitive_ones_are_secrets(void **unused)
{
    autofree char *payload = payload_of("true", INPUTS);
    autojob struct job job = start_job(payload, RUNNER);

    (void) unused;
    assert_string_equal(inputs_secret(&job, 0), "a b${{ job.inputs.n }}");
    assert_string_equal(inputs_secret(&job, 3), "[1,\"x/y\"]");
    assert_null(inputs_secret(&job, 4));
}

static void test_what_was_done_with_them_is_told(void **unused)
{
    static const struct {
        const char *command, *error;
        unsigned used;
    } cases[] = {
        { "${{ job.inputs.n }}", NULL, 2 }, /* the image, too */
        { "true", NULL, 0 },
        { "${{ job.inputs.n", "parse", 0 },
        { "${{ 1 + 1 }}", "parse", 0 },
        { "${{ job.inputs.other }}", "evaluation", 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *payload = payload_of(cases[i].command, INPUTS);
        autojob struct job job = start_job(payload, RUNNER);

        assert_int_equal(job.inputs_used, cases[i].used);
        if (cases[i].error)
            assert_string_equal(job.inputs_error, cases[i].error);
        else
            assert_null(job.inputs_error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_give_their_values),
        cmocka_unit_test(test_the_flag_leaves_the_text),
        cmocka_unit_test(test_what_is_no_input_refuses_the_job),
        cmocka_unit_test(test_sensitive_ones_are_secrets),
        cmocka_unit_test(test_what_was_done_with_them_is_told),
    };

    return cmocka_run_group_tests_name("job-inputs", tests, NULL, NULL);
}
