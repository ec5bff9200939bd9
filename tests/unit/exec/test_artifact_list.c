/* tests/unit/exec/test_artifact_list.c - mirrors core/exec/artifact_list.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/exec/artifact_list.h"
#include "tests/unit/exec/kept.h"
#include "tests/unit/exec/scene.h"

static void test_files_are_told_in_the_order_of_stages_with_their_place(void **state)
{
    const struct kept *kept = *state;
    struct scene scene =
        scene_of("late: {stage: test, script: s}\n\"early\\e\": {stage: build, script: s}\n");
    autobuf struct buf gone = BUF_INIT, stays = BUF_INIT, nothing = BUF_INIT;
    autofree char *want = mem_printf("archive of 'early\\x1b': %s/2-archive.zip, 4 bytes\n"
                                     "codequality of 'late': %s/1-codequality, 2 bytes\n",
                                     kept->root, kept->root);

    artifact_list_format(&nothing, scene.pipeline, kept->store, true);
    assert_int_equal(nothing.len, 0);
    kept_add(kept, 1, "codequality", "gl-code-quality-report.json", "[]", 2);
    kept_add(kept, 2, "archive", "artifacts.zip", "data", 4);
    artifact_list_format(&gone, scene.pipeline, kept->store, false);
    assert_string_equal(buf_str(&gone), "archive of 'early\\x1b': artifacts.zip, 4 bytes\n"
                                        "codequality of 'late': gl-code-quality-report.json, 2 "
                                        "bytes\n");
    artifact_list_format(&stays, scene.pipeline, kept->store, true);
    assert_string_equal(buf_str(&stays), want);
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_are_told_in_the_order_of_stages_with_their_place,
                                        kept_setup, kept_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
