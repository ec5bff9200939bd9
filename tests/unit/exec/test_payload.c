/* tests/unit/exec/test_payload.c - mirrors core/exec/payload.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/payload.h"

static const struct payload_pipeline pipeline = {
    .id = 7,
    .project_id = 9,
    .timeout_s = 3600,
    .project_name = "ring",
    .project_path = "local/ring",
    .project_namespace = "local",
    .repo_url = "file:///r.git",
    .object_format = "sha1",
    .sha = "1111111111111111111111111111111111111111",
    .before_sha = "0000000000000000000000000000000000000000",
    .ref = "Feature/One.",
    .branch = "Feature/One.",
    .default_branch = "main",
    .message = "The title\n\nThe body",
    .author = "A <a@example.com>",
    .timestamp = "2026-01-02T03:04:05Z",
    .user_name = "B",
    .config_path = ".gitlab-ci.yml",
};

static json_t *payload_in(const struct payload_pipeline *shared, const char *text)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    struct payload_job of = { .id = 42, .token = "glcbt-x" };
    json_t *payload = NULL;

    assert_int_equal(ci_config_parse("f", text, strlen(text), NULL, NULL, &config, &findings, NULL),
                     0);
    of.job = &config->jobs[0];
    assert_int_equal(payload_new(shared, config, &of, &payload, NULL), 0);
    return payload;
}

static json_t *payload_of(const char *text)
{
    return payload_in(&pipeline, text);
}

/* The last one of a name counts. */
static json_t *variable(json_t *payload, const char *key)
{
    json_t *list = json_object_object_get(payload, "variables"), *found = NULL;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_t *item = json_object_array_get_idx(list, i);

        if (str_eq(json_object_get_string(json_object_object_get(item, "key")), key))
            found = item;
    }
    return found;
}

static const char *value(json_t *payload, const char *key)
{
    return json_object_get_string(json_object_object_get(variable(payload, key), "value"));
}

static bool flag(json_t *payload, const char *key, const char *name)
{
    return json_object_get_boolean(json_object_object_get(variable(payload, key), name));
}

static void test_predefined_variables_are_those_of_the_job(void **unused)
{
    static const struct {
        const char *key, *want;
    } cases[] = {
        { "CI", "true" },
        { "CI_COMMIT_SHA", "1111111111111111111111111111111111111111" },
        { "CI_COMMIT_SHORT_SHA", "11111111" },
        { "CI_COMMIT_REF_NAME", "Feature/One." },
        { "CI_COMMIT_REF_SLUG", "feature-one" },
        { "CI_JOB_ID", "42" },
        { "CI_JOB_NAME", "a" },
        { "CI_JOB_STAGE", "build" },
        { "CI_PIPELINE_ID", "7" },
        { "CI_PROJECT_ID", "9" },
        { "CI_PROJECT_PATH", "local/ring" },
        { "CI_PROJECT_NAMESPACE", "local" },
        { "CI_PIPELINE_SOURCE", "push" },
        { "CI_DEFAULT_BRANCH", "main" },
        { "CI_COMMIT_BRANCH", "Feature/One." },
        { "CI_COMMIT_MESSAGE", "The title\n\nThe body" },
        { "CI_COMMIT_TITLE", "The title" },
        { "CI_COMMIT_DESCRIPTION", "The body" },
        { "CI_COMMIT_AUTHOR", "A <a@example.com>" },
        { "CI_COMMIT_TIMESTAMP", "2026-01-02T03:04:05Z" },
        { "CI_COMMIT_TAG", NULL },
        { "CI_PROJECT_PATH_SLUG", "local-ring" },
        { "CI_CONFIG_PATH", ".gitlab-ci.yml" },
        { "CI_NODE_TOTAL", "1" },
        { "CI_NODE_INDEX", NULL },
        { "CI_JOB_GROUP_NAME", "a" },
        { "GITLAB_USER_NAME", "B" },
        { "GITLAB_USER_EMAIL", NULL },
        { "CI_JOB_TOKEN", "glcbt-x" },
    };
    autojson json_t *payload = payload_of("a: {stage: build, script: s}\n");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (!str_eq(value(payload, cases[i].key), cases[i].want) &&
            (cases[i].want || variable(payload, cases[i].key)))
            fail_msg("%s is %s", cases[i].key, value(payload, cases[i].key));
    assert_true(flag(payload, "CI_JOB_TOKEN", "masked"));
    assert_false(flag(payload, "CI_JOB_TOKEN", "public"));
    assert_false(flag(payload, "CI_JOB_NAME", "masked"));
}

static void test_job_variables_win_over_global_ones_and_expand_unless_told_not_to(void **unused)
{
    autojson json_t *payload = payload_of("variables: {A: global, B: {value: $A, expand: false}}\n"
                                          "a: {script: s, variables: {A: job, CI: mine}}\n");

    (void) unused;
    assert_string_equal(value(payload, "A"), "job");
    assert_string_equal(value(payload, "CI"), "mine");
    assert_string_equal(value(payload, "B"), "$A");
    assert_true(flag(payload, "B", "raw"));
    assert_false(flag(payload, "A", "raw"));
}

static void test_a_job_has_the_global_variables_that_it_inherits(void **unused)
{
    autojson json_t *payload =
        payload_of("variables: {A: 1, B: 2}\na: {script: s, inherit: {variables: [B]}}\n");

    (void) unused;
    assert_null(variable(payload, "A"));
    assert_string_equal(value(payload, "B"), "2");
}

static void test_a_file_variable_is_one(void **unused)
{
    autojson json_t *payload = NULL;
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    struct payload_job of = { .id = 42, .token = "glcbt-x" };
    static const char text[] = "a: {script: s, variables: {F: {value: x, type: file}, G: y}}\n";

    (void) unused;
    assert_int_equal(ci_config_parse("f", text, strlen(text), NULL, NULL, &config, &findings, NULL),
                     0);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.items[0].text,
                        "f:1:42: variable 'F': GitLab takes 'type' for variables of the project's "
                        "settings alone");
    config_findings_done(&findings);
    of.job = &config->jobs[0];
    assert_int_equal(payload_new(&pipeline, config, &of, &payload, NULL), 0);
    assert_true(flag(payload, "F", "file"));
    assert_false(flag(payload, "G", "file"));
}

static void test_timeout_hooks_and_place_among_parallel_jobs_are_told(void **unused)
{
    autojson json_t *payload = payload_of("a:\n  script: s\n  timeout: 2m\n  parallel: 3\n"
                                          "  hooks: {pre_get_sources_script: [h, i]}\n");
    json_t *runner = json_object_object_get(payload, "runner_info");

    (void) unused;
    assert_string_equal(json_text(json_object_object_get(payload, "hooks")),
                        "[{\"name\":\"pre_get_sources_script\",\"script\":[\"h\",\"i\"]}]");
    assert_int_equal(json_object_get_int(json_object_object_get(runner, "timeout")), 120);
    assert_string_equal(value(payload, "CI_JOB_NAME"), "a 1/3");
    assert_string_equal(value(payload, "CI_JOB_GROUP_NAME"), "a");
    assert_string_equal(value(payload, "CI_NODE_INDEX"), "1");
    assert_string_equal(value(payload, "CI_NODE_TOTAL"), "3");
}

static void test_steps_are_the_script_and_what_follows_it(void **unused)
{
    autojson json_t *payload = payload_of("before_script: [b]\na: {script: [s, t]}\n");
    autojson json_t *after = payload_of("a: {script: [s], after_script: [u]}\n");

    (void) unused;
    assert_string_equal(json_text(json_object_object_get(payload, "steps")),
                        "[{\"name\":\"script\",\"script\":[\"b\",\"s\",\"t\"],\"timeout\":3600,"
                        "\"when\":\"on_success\",\"allow_failure\":false}]");
    assert_string_equal(json_text(json_object_object_get(after, "steps")),
                        "[{\"name\":\"script\",\"script\":[\"s\"],\"timeout\":3600,"
                        "\"when\":\"on_success\",\"allow_failure\":false},"
                        "{\"name\":\"after_script\",\"script\":[\"u\"],\"timeout\":300,"
                        "\"when\":\"always\",\"allow_failure\":true}]");
}

static void test_the_repository_is_fetched_by_its_branch(void **unused)
{
    autojson json_t *payload = payload_of("a: {script: s}\n");

    (void) unused;
    assert_string_equal(
        json_text(json_object_object_get(payload, "git_info")),
        "{\"repo_url\":\"file:///r.git\",\"repo_object_format\":\"sha1\",\"ref\":\"Feature/One.\","
        "\"ref_type\":\"branch\",\"sha\":\"1111111111111111111111111111111111111111\","
        "\"before_sha\":\"0000000000000000000000000000000000000000\",\"depth\":0,"
        "\"refspecs\":[\"+refs/heads/Feature/One.:refs/remotes/origin/Feature/One.\"]}");
}

static void test_git_depth_is_read_as_gitlab_reads_it(void **unused)
{
    static const struct {
        const char *text;
        int depth;
    } cases[] = {
        { "variables: {GIT_DEPTH: 7}\na: {script: s}\n", 7 },
        { "variables: {GIT_DEPTH: 7}\na: {script: s, variables: {GIT_DEPTH: 2}}\n", 2 },
        { "variables: {GIT_DEPTH: 7}\na: {script: s, inherit: {variables: false}}\n", 0 },
        { "a: {script: s, variables: {GIT_DEPTH: many}}\n", 0 },
        { "a: {script: s, variables: {GIT_DEPTH: -1}}\n", 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojson json_t *payload = payload_of(cases[i].text);
        json_t *info = json_object_object_get(payload, "git_info");

        assert_int_equal(json_object_get_int(json_object_object_get(info, "depth")),
                         cases[i].depth);
    }
}

static void test_no_part_of_a_history_is_asked_for_where_none_can_be_had(void **unused)
{
    struct payload_pipeline whole = pipeline;
    autojson json_t *payload = NULL;
    json_t *info;

    (void) unused;
    whole.whole_history = true;
    payload = payload_in(&whole, "variables: {GIT_DEPTH: 7}\na: {script: s}\n");
    info = json_object_object_get(payload, "git_info");
    assert_int_equal(json_object_get_int(json_object_object_get(info, "depth")), 0);
}

static void test_artifacts_and_caches_are_what_gitlab_sends(void **unused)
{
    autojson json_t *payload = payload_of(
        "a: {script: s, artifacts: {paths: [x], exclude: [y], expire_in: 1 day, reports: {junit: "
        "r.xml}}, cache: {key: k, paths: [z], fallback_keys: [l]}}\n");

    (void) unused;
    assert_string_equal(
        json_text(json_object_object_get(payload, "artifacts")),
        "[{\"untracked\":false,\"paths\":[\"x\"],\"exclude\":[\"y\"],\"when\":\"on_success\","
        "\"expire_in\":\"1 day\",\"artifact_type\":\"archive\",\"artifact_format\":\"zip\"},"
        "{\"name\":\"junit.xml\",\"untracked\":false,\"paths\":[\"r.xml\"],\"exclude\":[],"
        "\"when\":\"always\",\"expire_in\":\"1 day\",\"artifact_type\":\"junit\","
        "\"artifact_format\":\"gzip\"}]");
    assert_string_equal(json_text(json_object_object_get(payload, "cache")),
                        "[{\"key\":\"k-non_protected\",\"untracked\":false,\"policy\":"
                        "\"pull-push\",\"paths\":[\"z\"],\"when\":\"on_success\","
                        "\"fallback_keys\":[\"l-non_protected\"]}]");
}

static void test_tokens_differ_and_look_like_gitlabs(void **unused)
{
    char one[PAYLOAD_TOKEN_SIZE], two[PAYLOAD_TOKEN_SIZE];

    (void) unused;
    payload_token(&rng_system, one);
    payload_token(&rng_system, two);
    assert_true(str_starts(one, "glcbt-"));
    assert_int_equal(strlen(one), 46);
    assert_string_not_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predefined_variables_are_those_of_the_job),
        cmocka_unit_test(test_job_variables_win_over_global_ones_and_expand_unless_told_not_to),
        cmocka_unit_test(test_a_job_has_the_global_variables_that_it_inherits),
        cmocka_unit_test(test_a_file_variable_is_one),
        cmocka_unit_test(test_timeout_hooks_and_place_among_parallel_jobs_are_told),
        cmocka_unit_test(test_steps_are_the_script_and_what_follows_it),
        cmocka_unit_test(test_the_repository_is_fetched_by_its_branch),
        cmocka_unit_test(test_git_depth_is_read_as_gitlab_reads_it),
        cmocka_unit_test(test_no_part_of_a_history_is_asked_for_where_none_can_be_had),
        cmocka_unit_test(test_artifacts_and_caches_are_what_gitlab_sends),
        cmocka_unit_test(test_tokens_differ_and_look_like_gitlabs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
