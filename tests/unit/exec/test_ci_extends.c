/* tests/unit/exec/test_ci_extends.c - mirrors core/exec/ci_extends.c and ci_reference.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "tests/unit/exec/ci_dump.h"

static void test_jobs_are_put_together(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "what a job does not say it takes from the other",
          ".b: {script: s, stage: build}\na: {extends: .b}\n", "a@build script[s]\n" },
        { "mappings are merged, lists are replaced",
          ".b: {script: [x, y], variables: {A: 1, B: 1}}\n"
          "a: {extends: .b, script: [z], variables: {B: 2, C: 2}}\n",
          "a@test script[z] A=1 B=2 C=2\n" },
        { "later ones win over earlier ones",
          ".b: {script: b, variables: {A: b, B: b}}\n.c: {script: c, variables: {B: c}}\n"
          "a: {extends: [.b, .c]}\n",
          "a@test script[c] A=b B=c\n" },
        { "over several levels, in any order",
          "a: {extends: .c}\n.c: {extends: .b, variables: {C: 1}}\n.b: {script: s, variables: {B: "
          "1, "
          "C: 0}}\n",
          "a@test script[s] B=1 C=1\n" },
        { "jobs that are not hidden can be extended, too",
          "b: {script: s, when: always}\na: {extends: b}\n",
          "b@test script[s] always\na@test script[s] always\n" },
        { "a reference in a script",
          ".x: {script: [one, two]}\n"
          "a: {script: [!reference [.x, script], three]}\n",
          "a@test script[one|two|three]\n" },
        { "a reference to a reference, of a whole keyword",
          ".x: {script: [one]}\n.y: {script: [!reference [.x, script], two]}\n"
          "a: {script: !reference [.y, script]}\n",
          "a@test script[one|two]\n" },
        { "a reference to one variable",
          ".x: {variables: {V: 1.10}}\na: {script: s, variables: {W: !reference [.x, variables, "
          "V]}}\n",
          "a@test script[s] W=1.10\n" },
        { "references are followed before extends",
          ".x: {script: [one]}\n.y: {script: [!reference [.x, script]]}\na: {extends: .y}\n",
          "a@test script[one]\n" },
        { "no such job", "a: {script: s, extends: .b}\n",
          "E f:1:25: job 'a' extends '.b', and there is no such job\n" },
        { "no job", ".b: [x]\na: {script: s, extends: .b}\n",
          "E f:2:25: job 'a' extends '.b', which is a list and no job\n" },
        { "no name", "a: {script: s, extends: {}}\n",
          "E f:1:25: job 'a': 'extends' must be the name of a job or a list of them, not a "
          "mapping\n" },
        { "a circle", ".b: {extends: .c}\n.c: {extends: .b}\na: {extends: .b, script: s}\n",
          "E f:1:15: 'extends' goes over more than 10 levels, or in a circle: '.b' extends "
          "'.c'\n" },
        { "a reference to nothing", "a: {script: [!reference [.b, script]]}\n",
          "E f:1:14: !reference [.b, script] names nothing: there is no '.b'\n"
          "E f:1:13: job 'a': 'script' is empty\n" },
        { "a reference without names", "a: {script: [x, !reference b]}\n",
          "E f:1:17: !reference takes a list of names: a job and a keyword of it\n" },
        { "references in a circle", "a: {script: [!reference [a, script], x]}\n",
          "E f:1:14: references go over more than 10 levels, or in a circle\n"
          "E f:1:13: lists of 'script' are nested deeper than 10 levels\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ci_dump_expect(cases[i].why, cases[i].text, NULL, cases[i].want);
}

/* hardening_40: what doubles with each level must end before it is large. */
static void test_what_doubles_with_each_level_is_refused(void **unused)
{
    static const char limit[] = "aliases make this file larger than 60000 values";
    autobuf struct buf references = BUF_INIT, tree = BUF_INIT;
    const struct buf *const texts[] = { &references, &tree };

    (void) unused;
    /* Each level names the one below ten times. */
    buf_add_str(&references, ".r0: {script: [x]}\n");
    buf_add_str(&tree, ".t0: &t0 {a: 1}\n");
    for (int i = 1; i < 9; i++) {
        buf_addf(&references, ".r%d: {script: [", i);
        buf_addf(&tree, ".t%d: &t%d {", i, i);
        for (int k = 0; k < 10; k++) {
            buf_addf(&references, "!reference [.r%d, script]%s", i - 1, k < 9 ? ", " : "]}\n");
            buf_addf(&tree, "k%d: *t%d%s", k, i - 1, k < 9 ? ", " : "}\n");
        }
    }
    buf_add_str(&references, "a: {script: [!reference [.r8, script]]}\n");
    buf_add_str(&tree,
                ".u: {variables: *t8}\n.v: {variables: *t8}\na: {extends: [.u, .v], script: s}\n");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = NULL;
        struct config_findings findings = { 0 };

        assert_int_equal(ci_config_parse("f", texts[i]->data, texts[i]->len, NULL, NULL, &config,
                                         &findings, NULL),
                         -EINVAL);
        assert_int_equal(findings.count, 1);
        assert_non_null(strstr(findings.items[0].text, limit));
        config_findings_done(&findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_are_put_together),
        cmocka_unit_test(test_what_doubles_with_each_level_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
