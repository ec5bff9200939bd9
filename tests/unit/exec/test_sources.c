/* tests/unit/exec/test_sources.c - mirrors core/exec/sources.c, and what payload_artifacts.c makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/exec/payload.h"
#include "core/exec/sources.h"
#include "tests/unit/exec/kept.h"
#include "tests/unit/exec/scene.h"

#define TEXT                                                                                       \
    "stages: [one, two, three]\n"                                                                  \
    "b: {stage: two, script: s}\na: {stage: one, script: s}\nfew: {stage: one, script: s}\n"       \
    "all: {stage: three, script: s, variables: {V: own}}\n"                                        \
    "none: {stage: three, script: s, dependencies: []}\n"                                          \
    "one: {stage: three, script: s, dependencies: [b]}\n"                                          \
    "needs: {stage: three, script: s, needs: [a, {job: b, artifacts: false}]}\n"

static json_t *payload_for(const struct scene *scene, const struct kept *kept, const char *name)
{
    static const struct payload_pipeline pipeline = { .ref = "main",
                                                      .sha = "1",
                                                      .project_path = "p" };
    autofree struct payload_source *sources = NULL;
    struct payload_job of = { .job = ci_config_find(scene->config, name),
                              .id = 9,
                              .token = "glcbt-x" };
    json_t *payload = NULL;

    assert_int_equal(sources_of(scene->pipeline, kept->store, of.job, &sources, &of.n_sources), 0);
    of.sources = sources;
    assert_int_equal(payload_new(&pipeline, scene->config, &of, &payload, NULL), 0);
    return payload;
}

static void test_a_job_gets_what_earlier_stages_left_or_what_it_picks(void **state)
{
    static const struct {
        const char *job, *want;
    } cases[] = {
        { "b", "[{\"id\":2,\"name\":\"a\",\"token\":\"token-2\",\"artifacts_file\":{\"filename\":"
               "\"a.zip\",\"size\":4}}]" },
        { "all", "[{\"id\":2,\"name\":\"a\",\"token\":\"token-2\",\"artifacts_file\":{\"filename\":"
                 "\"a.zip\",\"size\":4}},{\"id\":1,\"name\":\"b\",\"token\":\"token-1\","
                 "\"artifacts_file\":{\"filename\":\"b.zip\",\"size\":2}}]" },
        { "a", "[]" },
        { "none", "[]" },
        { "one", "[{\"id\":1,\"name\":\"b\",\"token\":\"token-1\",\"artifacts_file\":{\"filename\":"
                 "\"b.zip\",\"size\":2}}]" },
        { "needs", "[{\"id\":2,\"name\":\"a\",\"token\":\"token-2\",\"artifacts_file\":"
                   "{\"filename\":\"a.zip\",\"size\":4}}]" },
    };
    struct scene scene = scene_of(TEXT);

    kept_add(*state, 1, "archive", "b.zip", "BB", 2);
    kept_add(*state, 2, "archive", "a.zip", "AAAA", 4);
    kept_add(*state, 3, "junit", "junit.xml.gz", "x", 1); /* an archive alone is handed on */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojson json_t *payload = payload_for(&scene, *state, cases[i].job);
        const char *got = json_text(json_object_object_get(payload, "dependencies"));

        if (!str_eq(got, cases[i].want))
            fail_msg("%s: %s", cases[i].job, got);
    }
    scene_done(&scene);
}

/* The value of the last variable of this name, which counts. */
static const char *last_value(json_t *payload, const char *key)
{
    json_t *list = json_object_object_get(payload, "variables");
    const char *value = NULL;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_t *item = json_object_array_get_idx(list, i);

        if (str_eq(json_object_get_string(json_object_object_get(item, "key")), key))
            value = json_object_get_string(json_object_object_get(item, "value"));
    }
    return value;
}

static void test_variables_of_a_dotenv_win_over_the_jobs_own(void **state)
{
    struct scene scene = scene_of(TEXT);
    unsigned char packed[200];
    z_stream stream = { .next_in = (unsigned char *) (uintptr_t) "V=handed\n",
                        .avail_in = 9,
                        .next_out = packed,
                        .avail_out = sizeof(packed) };
    autojson json_t *all = NULL, *none = NULL;

    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    (void) deflateEnd(&stream);
    kept_add(*state, 2, "dotenv", ".env.gz", (const char *) packed, stream.total_out);
    all = payload_for(&scene, *state, "all");
    none = payload_for(&scene, *state, "none");
    assert_string_equal(last_value(all, "V"), "handed");
    assert_null(last_value(none, "V"));
    scene_done(&scene);
}

static void test_a_try_that_failed_gives_nothing_to_others(void **state)
{
    struct scene scene = scene_of("a: {stage: build, script: s, retry: 1}\nb: {script: s}\n");
    autojson json_t *payload = NULL;

    kept_add(*state, 1, "archive", "a.zip", "1", 1);
    scene_start(&scene, 1, "i-1", 0);
    scene_end(&scene, 1, "script_failure", 1, 1);
    payload = payload_for(&scene, *state, "b");
    assert_string_equal(json_text(json_object_object_get(payload, "dependencies")), "[]");
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_gets_what_earlier_stages_left_or_what_it_picks,
                                        kept_setup, kept_teardown),
        cmocka_unit_test_setup_teardown(test_variables_of_a_dotenv_win_over_the_jobs_own,
                                        kept_setup, kept_teardown),
        cmocka_unit_test_setup_teardown(test_a_try_that_failed_gives_nothing_to_others, kept_setup,
                                        kept_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
