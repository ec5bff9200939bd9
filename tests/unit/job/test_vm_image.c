/* tests/unit/job/test_vm_image.c - mirrors core/job/vm_image.c: job-execution.md 9.4, nesting.md 6.3, hardening.md V6, V11. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/vm.h"

struct row {
    const char *why, *job, *runner, *allowed, *image; /* image NULL = refused, */
    const char *words;                                /* with these words */
};

static json_t *object_with(const char *key, const char *value)
{
    json_t *object = json_object_new_object();

    (void) json_add_str(object, key, value);
    return object;
}

static void choose(const struct row *row)
{
    autojson json_t *payload = json_object_new_object(), *settings = NULL;
    struct job job = { .payload = payload };
    struct end end;

    settings = object_with("image", row->runner);
    job.isolation_settings = settings;
    if (row->job)
        (void) json_add(payload, "image", object_with("name", row->job));
    if (row->allowed) {
        json_t *patterns = json_object_new_array();

        (void) json_object_array_add(patterns, json_object_new_string(row->allowed));
        (void) json_add(settings, "allowed_images", patterns);
    }
    assert_int_equal(variables_add(&job.variables, "A", "one"), 0);
    assert_int_equal(variables_add(&job.variables, "B", "$A"), 0);
    end = vm_choose_image(&job);
    if (end.kind != (row->image ? END_OK : END_CONFIG) ||
        (row->image ? !str_eq(row->image, job.vm_image) : !strstr(end.message, row->words)))
        fail_msg("%s: '%s', %s", row->why, job.vm_image ? job.vm_image : "", end.message);
    variables_done(&job.variables);
    vm_done(&job);
}

static void test_the_image_is_chosen_expanded_once_and_checked(void **unused)
{
    static const struct row rows[] = {
        { "the runner's", NULL, "mac", NULL, "mac", NULL },
        { "the job's", "mac2", "mac", NULL, "mac2", NULL },
        { "an empty one is none", "", "mac", NULL, "mac", NULL },
        { "none at all", NULL, "", NULL, NULL, "no nesting VM image specified" },
        { "variables", "x-$A", "mac", NULL, "x-one", NULL },
        { "the runner's may have variables, too", NULL, "x-${A}", NULL, "x-one", NULL },
        { "of what is expanded nothing is expanded again", "x$B", "mac", NULL, NULL, "cannot be" },
        { "one that becomes empty", "$NONE", "mac", NULL, NULL, "no nesting VM image specified" },
        { "a name of a registry", "ghcr.io/a/b:1@sha256:ab", "", NULL, "ghcr.io/a/b:1@sha256:ab",
          NULL },
        { "an option", "-x", "mac", NULL, NULL, "cannot be" },
        { "a path", "/x", "mac", NULL, NULL, "cannot be" },
        { "a blank", "a b", "mac", NULL, NULL, "cannot be" },
        { "a line", "a\nb", "mac", NULL, NULL, "cannot be" },
        { "allowed", "a/b", "mac", "a/*", "a/b", NULL },
        { "a star stops at a slash", "a/b/c", "mac", "a/**/c", "a/b/c", NULL },
        { "the runner's own is not asked about", NULL, "mac", "a/*", "mac", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        choose(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_image_is_chosen_expanded_once_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
