/* tests/unit/exec/test_ci_rules.c - mirrors core/exec/ci_rules.c and ci_only.c: which jobs a pipeline
 * has, and how rules change them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "tests/unit/exec/ci_dump.h"

/* Since "main" src/a.c changed, since the last push nothing that is known. */
static int changes(void *arg, const char *since, struct ci_lines *ret, struct error *err)
{
    (void) arg;
    if (!since)
        return 1;
    if (!str_eq(since, "main"))
        return error_set(err, -ENOENT, "no '%s'", since);
    return ci_lines_add(ret, "src/a.c");
}

static void fill(struct ci_context *context)
{
    *context = (struct ci_context) { .changes = changes };
    assert_int_equal(ci_variables_add(&context->variables, "CI_COMMIT_BRANCH", "dev", true), 0);
    assert_int_equal(ci_variables_add(&context->variables, "CI_COMMIT_REF_NAME", "dev", true), 0);
    assert_int_equal(ci_variables_add(&context->variables, "CI_PIPELINE_SOURCE", "push", true), 0);
    assert_int_equal(ci_variables_add(&context->variables, "CI_PROJECT_PATH", "local/p", true), 0);
    assert_int_equal(ci_lines_add(&context->files, "Dockerfile"), 0);
    assert_int_equal(ci_lines_add(&context->files, "src/a.c"), 0);
}

static void test_rules_say_which_jobs_there_are(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "the first rule that holds counts",
          "a: {script: s, rules: [{if: '$NO', when: always}, {if: '$CI_COMMIT_BRANCH', when: "
          "on_failure}, {when: manual}]}\n",
          "a@test script[s] on-failure\n" },
        { "none that holds leaves the job out",
          "a: {script: s, rules: [{if: '$CI_COMMIT_TAG'}]}\nb: {script: s}\n",
          "b@test script[s]\n" },
        { "no rules at all, too", "a: {script: s, rules: []}\nb: {script: s}\n",
          "b@test script[s]\n" },
        { "never leaves it out", "a: {script: s, rules: [{when: never}]}\nb: {script: s}\n",
          "b@test script[s]\n" },
        { "a rule without 'when' takes the job's",
          "a: {script: s, when: manual, rules: [{if: '$CI_COMMIT_BRANCH == \"dev\"'}]}\n",
          "a@test script[s] manual\n" },
        { "manual in rules may not fail unless it says so",
          "a: {script: s, rules: [{when: manual}]}\n"
          "b: {script: s, rules: [{when: manual, allow_failure: true}]}\n",
          "a@test script[s] manual\nb@test script[s] manual may-fail\n" },
        { "variables of the rule win over the job's",
          "variables: {X: 0}\n"
          "a: {script: s, variables: {X: 1, Y: 1}, rules: [{if: '$X == \"1\"', variables: {X: "
          "2}}]}\n",
          "global X=0\na@test script[s] X=2 Y=1\n" },
        { "needs of the rule replace the job's",
          "a: {script: s}\nb: {script: s}\nc: {script: s, needs: [a], rules: [{needs: [b]}]}\n",
          "a@test script[s]\nb@test script[s]\nc@test script[s] needs[b]\n" },
        { "values are expanded, raw ones are not",
          "variables: {D: dev, X: $D, Y: {value: $D, expand: false}}\n"
          "a: {script: s, rules: [{if: '$CI_COMMIT_BRANCH == $X'}]}\n"
          "b: {script: s, rules: [{if: '$CI_COMMIT_BRANCH == $Y'}]}\n",
          "global D=dev X=$D Y:=$D\na@test script[s]\n" },
        { "variables that name each other end",
          "variables: {A: $B$B, B: $A$A}\na: {script: s, rules: [{if: '$A == \"x\"'}, {when: "
          "always}]}\n",
          "global A=$B$B B=$A$A\na@test script[s] always\n" },
        { "a variable that is not inherited is not there",
          "variables: {X: 1}\na: {script: s, inherit: {variables: false}, rules: [{if: '$X'}]}\n"
          "b: {script: s, rules: [{if: '$X'}]}\n",
          "global X=1\nb@test script[s]\n" },
        { "each job of a matrix has its own",
          "a: {script: s, parallel: {matrix: [{X: [1, 2]}]}, rules: [{if: '$X == \"2\"'}]}\n",
          "a: [2]@test script[s] X=2 node=2/2\n" },
        { "what is predefined of the job",
          ".r: {script: s, rules: [{if: '$CI_JOB_NAME == \"b\" || $CI_NODE_INDEX == \"2\"'}]}\n"
          "a: {extends: .r}\nb: {extends: .r}\nc: {extends: .r, parallel: 2}\n"
          "d: {script: s, stage: build, rules: [{if: '$CI_JOB_STAGE != \"build\" || "
          "$CI_JOB_ID'}]}\n"
          "e: {script: s, variables: {CI_JOB_NAME: x}, rules: [{if: '$CI_JOB_NAME == \"e\"'}]}\n",
          "b@test script[s]\nc 2/2@test script[s] node=2/2\n" },
        { "exists",
          "a: {script: s, rules: [{exists: [Dockerfile]}]}\n"
          "b: {script: s, rules: [{exists: ['**/*.c']}]}\n"
          "c: {script: s, rules: [{exists: {paths: [none]}}]}\n"
          "d: {script: s, variables: {F: Docker}, rules: [{exists: ['/${F}file']}]}\n",
          "a@test script[s]\nb@test script[s]\nd@test script[s] F=Docker\n" },
        { "changes since a branch",
          "a: {script: s, rules: [{changes: {paths: ['src/*'], compare_to: main}}]}\n"
          "b: {script: s, rules: [{changes: {paths: ['doc/*'], compare_to: main}}]}\n",
          "a@test script[s]\n" },
        { "changes since a push that is not known are all",
          "a: {script: s, rules: [{changes: ['doc/*']}]}\n", "a@test script[s]\n" },
        { "all conditions of a rule hold",
          "a: {script: s, rules: [{if: '$CI_COMMIT_BRANCH', exists: [none]}]}\nb: {script: s}\n",
          "b@test script[s]\n" },
        { "rules by reference are flattened",
          ".r: {rules: [{if: '$NO', when: never}]}\n"
          "a: {script: s, rules: [!reference [.r, rules], {when: always}]}\n",
          "a@test script[s] always\n" },
        { "a need that rules left out may be optional",
          "a: {script: s, rules: [{when: never}]}\n"
          "b: {script: s, needs: [{job: a, optional: true}]}\n",
          "b@test script[s] needs[]\n" },
        { "workflow: nothing holds",
          "workflow: {rules: [{if: '$CI_COMMIT_TAG'}]}\na: {script: s}\n",
          "never\na@test script[s]\n" },
        { "workflow: never", "workflow: {rules: [{when: never}]}\na: {script: s}\n",
          "never\na@test script[s]\n" },
        { "workflow: variables that jobs see and rules ask",
          "workflow: {rules: [{if: '$CI_COMMIT_BRANCH', variables: {W: 1}}]}\n"
          "a: {script: s, rules: [{if: '$W'}]}\n",
          "global W=1\na@test script[s]\n" },
        { "only and except: names and patterns",
          "a: {script: s, only: [dev]}\nb: {script: s, only: [/^d/]}\nc: {script: s, only: "
          "[main]}\n"
          "d: {script: s, except: [dev]}\ne: {script: s, except: [/^x/]}\nf: {script: s, only: "
          "[/^D/i]}\n"
          "g: {script: s, only: [main], except: [x]}\n",
          "a@test script[s]\nb@test script[s]\ne@test script[s]\nf@test script[s]\n" },
        { "only and except: kinds of pipelines",
          "a: {script: s, only: [branches]}\nb: {script: s, only: [tags, merge_requests]}\n"
          "c: {script: s, except: [schedules]}\nd: {script: s, only: [pushes], except: "
          "[branches]}\n",
          "a@test script[s]\nc@test script[s]\n" },
        { "only of a project",
          "a: {script: s, only: [branches@local/p]}\nb: {script: s, only: [branches@group/p]}\n",
          "a@test script[s]\n" },
        { "only: all parts hold; except: one is enough",
          "a: {script: s, only: {refs: [dev], variables: [$NO, '$CI_COMMIT_BRANCH']}}\n"
          "b: {script: s, only: {refs: [dev], variables: [$NO]}}\n"
          "c: {script: s, except: {refs: [main], variables: ['$CI_COMMIT_BRANCH']}}\n"
          "d: {script: s, only: {changes: ['x']}}\n",
          "a@test script[s]\nd@test script[s]\n" },
    };
    struct ci_context context;

    (void) unused;
    fill(&context);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ci_dump_expect(cases[i].why, cases[i].text, &context, cases[i].want);
    ci_context_done(&context);
}

static void test_rules_that_can_not_be_decided_are_told(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "a broken expression", "a:\n  script: s\n  rules:\n    - if: $A ==\n",
          "E f:4:11: job 'a': 'if' can't be evaluated: a value is missing: a $VARIABLE, a "
          "\"string\", "
          "a /pattern/ or null at 'the end' of '$A =='\n" },
        { "an expression that only the second job of a matrix comes to",
          "a:\n  script: s\n  parallel: {matrix: [{X: [1, 2, 3]}]}\n  rules:\n"
          "    - if: $X == \"1\"\n    - if: $X ==\n",
          "E f:6:11: job 'a: [2]': 'if' can't be evaluated: a value is missing: a $VARIABLE, a "
          "\"string\", a /pattern/ or null at 'the end' of '$X =='\n" },
        { "a need of a matrix whose first job is left out",
          "a:\n  script: s\n  parallel: {matrix: [{X: [1, 2, 3]}]}\n  needs: [z]\n"
          "  rules: [{if: $X != \"1\"}]\n",
          "E f:4:11: job 'a: [2]' needs 'z', and there is no such job\n" },
        { "no mapping", "a:\n  script: s\n  rules: [x]\n",
          "E f:3:11: job 'a': 'rules' must be a list of mappings, not the string 'x'\n" },
        { "no list", "a:\n  script: s\n  rules: {if: $A}\n",
          "E f:3:10: job 'a': 'rules' must be a list of mappings, not a mapping\n" },
        { "a keyword that no rule has", "a:\n  script: s\n  rules: [{exist: x}]\n",
          "E f:3:12: job 'a': 'exist' is no keyword; did you mean 'exists'?\n" },
        { "a 'when' of nobody", "a:\n  script: s\n  rules: [{when: maybe}]\n",
          "E f:3:18: job 'a': 'when' must be on_success, on_failure, always, manual, delayed or "
          "never, not the string 'maybe'\n" },
        { "changes since nothing",
          "a:\n  script: s\n  rules:\n    - changes: {paths: [x], compare_to: gone}\n",
          "E f:4:41: job 'a': 'changes' can't be decided: no 'gone'\n" },
        { "exists elsewhere",
          "a:\n  script: s\n  rules:\n    - exists: {paths: [x], project: g/p}\n",
          "E f:4:37: job 'a': 'exists' with 'project' is not supported: no other project is known "
          "here\n" },
        { "rules beside only", "a:\n  script: s\n  rules: [{when: always}]\n  only: [x]\n",
          "E f:4:9: job 'a' has 'rules', beside which 'only' and 'except' can't stand\n" },
        { "only with something else", "a:\n  script: s\n  only: {kubernetes: active}\n",
          "E f:3:10: job 'a': 'only' with 'kubernetes' is not supported, only refs, variables and "
          "changes are\n" },
        { "a need that rules left out",
          "a: {script: s, rules: [{when: never}]}\nb: {script: s, needs: [a]}\n",
          "E f:2:24: job 'b' needs 'a', which is not in this pipeline; 'optional: true' would do "
          "without it\n" },
        { "a workflow that waits", "workflow: {rules: [{when: manual}]}\na: {script: s}\n",
          "E f:1:27: 'when' must be always or never in 'workflow', not the string "
          "'manual'\n" },
        { "a workflow's name is passed over", "workflow: {name: x}\na: {script: s}\n",
          "W f:1:12: 'name' is not supported, ignoring: nothing shows the pipeline's name\n"
          "a@test script[s]\n" },
        { "delayed by a rule", "a:\n  script: s\n  rules: [{when: delayed, start_in: 1 day}]\n",
          "W f:3:18: job 'a': 'delayed' is not supported, ignoring: it starts without delay\n"
          "a@test script[s]\n" },
    };
    struct ci_context context;

    (void) unused;
    fill(&context);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ci_dump_expect(cases[i].why, cases[i].text, &context, cases[i].want);
    ci_context_done(&context);
}

/* Each variable names the next one many times, and the last one is empty: nothing but the steps grows. */
static void test_expansion_ends(void **unused)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf text = BUF_INIT;

    (void) unused;
    buf_add_str(&text, "variables:\n  V9: ''\n");
    for (int i = 8; i >= 0; i--) {
        buf_addf(&text, "  V%d: ", i);
        for (int k = 0; k < 40; k++)
            buf_addf(&text, "$V%d", i + 1);
        buf_add_char(&text, '\n');
    }
    buf_add_str(&text, "a: {script: s, inherit: {variables: true}, rules: [{if: '$V0 == \"x\"'}]}\n"
                       "b: {script: s}\n");
    assert_int_equal(
        ci_config_parse("f", text.data, text.len, NULL, NULL, &config, &findings, NULL), 0);
    assert_null(ci_config_find(config, "a"));
    assert_non_null(ci_config_find(config, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_say_which_jobs_there_are),
        cmocka_unit_test(test_expansion_ends),
        cmocka_unit_test(test_rules_that_can_not_be_decided_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
