/* tests/unit/helper/archive/test_provenance.c - mirrors helper/archive/provenance.c
 * (job-execution.md 6.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/provenance.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/tree.h"

static const char *const names[] = { "CI_JOB_ID", "MY \"VAR\"" };
static const struct provenance statement = {
    .artifact_name = "out",
    .runner_id = 7,
    .server_url = "https://gitlab.example.com",
    .repo_url = "https://gitlab.example.com/g/p",
    .repo_digest = "abc",
    .job_name = "build",
    .executor_name = "instance",
    .runner_name = "one",
    .started_at = "2026-01-02T03:04:05Z",
    .ended_at = "2026-01-02T03:05:05Z",
    .schema_version = "v1",
    .runner_version = "1.0",
    .architecture = "amd64",
    .job_id = 42,
    .parameters = names,
    .n_parameters = 2,
};

/* The value at a path such as "predicate/runDetails"; borrowed. */
static json_t *at(json_t *json, const char *path)
{
    json_t *found = NULL;

    if (json_pointer_get(json, path, &found) < 0)
        fail_msg("%s is not in it", path);
    return found;
}

static void assert_text(json_t *json, const char *path, const char *want)
{
    assert_string_equal(json_object_get_string(at(json, path)), want);
}

static void test_job_execution_6_5_statement(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);
    auto_ptr(selection_free) struct selection *selection = NULL;
    autofree char *text = NULL;
    autojson json_t *json = NULL;
    struct error err = { 0 };

    (void) unused;
    tree_make(dir, "d/");
    harness_write(dir, "d/a", "abc");
    harness_write(dir, "\"odd\"\n", "");
    tree_link(dir, "l", "d/a");
    selection = tree_select(dir, fd);
    if (provenance_write(&statement, fd, selection, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(selection->paths[selection->n_paths - 1], "out-metadata.json");
    text = harness_read(dir, "out-metadata.json");
    assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);

    assert_text(json, "/_type", "https://in-toto.io/Statement/v0.1");
    assert_text(json, "/predicateType", "https://slsa.dev/provenance/v1");
    assert_int_equal(json_object_array_length(at(json, "/subject")), 2);
    assert_text(json, "/subject/0/name", "\"odd\"\n");
    assert_text(json, "/subject/0/digest/sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_text(json, "/subject/1/name", "d/a");
    assert_text(json, "/subject/1/digest/sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_text(json, "/predicate/buildDefinition/externalParameters/entryPoint", "build");
    assert_text(json, "/predicate/buildDefinition/externalParameters/variables/CI_JOB_ID", "");
    assert_text(json, "/predicate/buildDefinition/externalParameters/variables/MY \"VAR\"", "");
    assert_text(json, "/predicate/buildDefinition/internalParameters/executor", "instance");
    assert_text(json, "/predicate/buildDefinition/resolvedDependencies/0/digest/sha256", "abc");
    assert_text(json, "/predicate/runDetails/builder/id", "https://gitlab.example.com/-/runners/7");
    assert_text(json, "/predicate/runDetails/metadata/invocationID", "42");
    assert_text(json, "/predicate/runDetails/metadata/finishedOn", "2026-01-02T03:05:05Z");
}

static void test_a_name_is_no_path(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);
    struct selection selection = { 0 };
    struct provenance outside = statement;
    struct error err = { 0 };

    (void) unused;
    outside.artifact_name = "../x";
    assert_int_equal(provenance_write(&outside, fd, &selection, &err), -EINVAL);
}

static int write_something(void *arg)
{
    autoclose int fd = tree_open(arg);
    auto_ptr(selection_free) struct selection *selection = mem_zero(sizeof(*selection));

    return selection ? provenance_write(&statement, fd, selection, NULL) : -ENOMEM;
}

static void test_without_memory(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();

    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(write_something, dir) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_6_5_statement),
        cmocka_unit_test(test_a_name_is_no_path),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
