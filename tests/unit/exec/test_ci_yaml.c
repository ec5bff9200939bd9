/* tests/unit/exec/test_ci_yaml.c - mirrors core/exec/ci_yaml.c: what good files mean, and the place
 * and the sentence of every finding about broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "tests/harness/harness.h"
#include "tests/unit/exec/ci_dump.h"

static void test_good_files_give_their_jobs(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "the smallest file", "a:\n  script: make\n", "a@test script[make]\n" },
        { "scripts are lists, nested ones are flattened",
          "a:\n  script:\n    - one\n    - - two\n      - [three, [four]]\n",
          "a@test script[one|two|three|four]\n" },
        { "a block of several lines stays one entry", "a:\n  script:\n    - |\n      x\n      y\n",
          "a@test script[x\ny\n]\n" },
        { "stages are as named, jobs choose",
          "stages: [x, y]\na: {stage: y, script: s}\nb: {stage: x, script: s}\n",
          "a@y script[s]\nb@x script[s]\n" },
        { ".pre and .post are there without being named",
          "a: {stage: .pre, script: s}\nb: {stage: .post, script: s}\n",
          "a@.pre script[s]\nb@.post script[s]\n" },
        { "default scripts apply unless the job has its own, even an empty one",
          "default:\n  before_script: d\n  after_script: [e]\na: {script: s}\n"
          "b: {script: s, before_script: [], after_script: own}\n",
          "a@test before[d] script[s] after[e]\nb@test script[s] after[own]\n" },
        { "scripts beside the jobs are defaults too", "before_script: [g]\na: {script: s}\n",
          "a@test before[g] script[s]\n" },
        { "variables are strings, numbers and truths",
          "variables: {A: x, B: 1.10, C: yes, D: '007'}\na: {script: s, variables: {E: ''}}\n",
          "global A=x B=1.10 C=true D=007\na@test script[s] E=\n" },
        { "variables have a long form",
          "variables:\n  A: {value: x, description: what, options: [x, y]}\n"
          "  B: {value: $A, expand: false}\na: {script: s}\n",
          "global A=x B:=$A\na@test script[s]\n" },
        { "needs are names or mappings; an optional one may be missing",
          "a: {script: s}\nb: {script: s, needs: [a]}\n"
          "c: {script: s, needs: [{job: a, artifacts: true}, {job: z, optional: true}]}\n"
          "d: {script: s, needs: []}\n",
          "a@test script[s]\nb@test script[s] needs[a]\nc@test script[s] needs[a]\n"
          "d@test script[s] needs[]\n" },
        { "failure is allowed always or for exit codes",
          "a: {script: s, allow_failure: true}\nb: {script: s, allow_failure: {exit_codes: 7}}\n"
          "c: {script: s, allow_failure: {exit_codes: [1, 2]}}\n",
          "a@test script[s] may-fail\nb@test script[s] may-exit-7\n"
          "c@test script[s] may-exit-1 may-exit-2\n" },
        { "hidden jobs may be anything and are left out", ".x: [1]\n.y: {}\na: {script: s}\n",
          "a@test script[s]\n" },
        { "an anchor and a merge; own keys win",
          ".t: &t {stage: build, script: s, variables: {A: 1}}\na:\n  <<: *t\n  script: own\n",
          "a@build script[own] A=1\n" },
        { "merging a list: earlier ones win",
          ".x: &x {script: one}\n.y: &y {script: two, stage: build}\na:\n  <<: [*x, *y]\n",
          "a@build script[one]\n" },
        { "an aliased script list is flattened",
          ".s: &s [one, two]\na:\n  script:\n    - *s\n    - three\n",
          "a@test script[one|two|three]\n" },
        { "the only 'when' that is one", "a: {script: s, when: on_success}\n",
          "a@test script[s]\n" },
        { "parallel by number",
          "a: {script: s, parallel: 2}\nb: {stage: deploy, script: s, needs: [a]}\n",
          "a 1/2@test script[s] node=1/2\na 2/2@test script[s] node=2/2\n"
          "b@deploy script[s] needs[a 1/2|a 2/2]\n" },
        { "parallel by matrix: the first variable changes slowest",
          "a:\n  script: s\n  parallel:\n    matrix:\n      - {X: [1, 2], Y: [b, c]}\n      - X: "
          "z\n",
          "a: [1, b]@test script[s] X=1 Y=b node=1/5\na: [1, c]@test script[s] X=1 Y=c node=2/5\n"
          "a: [2, b]@test script[s] X=2 Y=b node=3/5\na: [2, c]@test script[s] X=2 Y=c node=4/5\n"
          "a: [z]@test script[s] X=z node=5/5\n" },
        { "a need of one job of a matrix, and one by its name",
          "a: {script: s, parallel: {matrix: [{X: [1, 2]}]}}\n"
          "b:\n  script: s\n  needs:\n    - {job: a, parallel: {matrix: [{X: 2}]}}\n"
          "c: {script: s, needs: ['a: [1]']}\n",
          "a: [1]@test script[s] X=1 node=1/2\na: [2]@test script[s] X=2 node=2/2\n"
          "b@test script[s] needs[a: [2]]\nc@test script[s] needs[a: [1]]\n" },
        { "a need that is named twice is one",
          "a: {script: s}\nb: {script: s, needs: [a, {job: a}]}\n",
          "a@test script[s]\nb@test script[s] needs[a]\n" },
        { "a matrix variable wins over the job's",
          "a: {script: s, variables: {X: 0}, parallel: {matrix: [{X: 1}]}}\n",
          "a: [1]@test script[s] X=1 node=1/1\n" },
        { "retry, timeout and hooks, of the default and of the job",
          "default: {retry: 1, timeout: 10m, hooks: {pre_get_sources_script: [h]}}\n"
          "a: {script: s}\n"
          "b: {script: s, retry: {max: 2, when: [script_failure], exit_codes: 3}, timeout: 1h 30m, "
          "hooks: {pre_get_sources_script: own}}\n",
          "a@test script[s] hook[h] retry=1 timeout=600\n"
          "b@test script[s] hook[own] retry=2 retry-on[script_failure] retry-exit-3 "
          "timeout=5400\n" },
        { "inherit chooses among defaults and global variables",
          "default: {before_script: b, after_script: c}\nvariables: {A: 1, B: 2}\n"
          "a: {script: s, inherit: {default: [after_script], variables: [B]}}\n"
          "b: {script: s, inherit: {default: false, variables: false}}\n",
          "global A=1 B=2\na@test script[s] after[c] inherits[B]\nb@test script[s] "
          "inherits-none\n" },
        { "when",
          "a: {script: s, when: always}\nb: {script: s, when: on_failure}\n"
          "c: {script: s, when: manual}\nd: {script: s, when: manual, allow_failure: false}\n",
          "a@test script[s] always\nb@test script[s] on-failure\n"
          "c@test script[s] manual may-fail\nd@test script[s] manual\n" },
        { "dependencies order nothing", "a: {script: s}\nb: {script: s, dependencies: [a]}\n",
          "a@test script[s]\nb@test script[s] from[]\n" },
        { "artifacts come from dependencies, of earlier stages, one name for all of a parallel",
          "a: {stage: build, script: s, parallel: 2}\nb: {stage: build, script: s}\n"
          "c: {script: s, dependencies: [a]}\nd: {script: s, dependencies: []}\n",
          "a 1/2@build script[s] node=1/2\na 2/2@build script[s] node=2/2\nb@build script[s]\n"
          "c@test script[s] from[a 1/2|a 2/2]\nd@test script[s] from[]\n" },
        { "artifacts come from needs, less those that say no, less what dependencies leave out",
          "a: {script: s}\nb: {script: s}\n"
          "c: {script: s, needs: [a, {job: b, artifacts: false}]}\n"
          "d: {script: s, needs: [a, b], dependencies: [b]}\n"
          "e: {script: s, needs: [{job: b, artifacts: false}], dependencies: [b]}\n",
          "a@test script[s]\nb@test script[s]\nc@test script[s] needs[a|b] from[a]\n"
          "d@test script[s] needs[a|b] from[b]\ne@test script[s] needs[b] from[]\n" },
        { "nothing takes a key away",
          ".t: {script: s, variables: {A: 1}}\n"
          "a: {extends: .t, variables: null}\n",
          "a@test script[s]\n" },
        { "a quoted '<<' is a word, a quoted number a string", "a: {script: ['1', \"<<\"]}\n",
          "a@test script[1|<<]\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = NULL;
        struct config_findings findings = { 0 };
        autobuf struct buf got = BUF_INIT;
        struct error err = { 0 };
        int r = ci_config_parse("f", cases[i].text, strlen(cases[i].text), NULL, NULL, &config,
                                &findings, &err);

        if (r < 0 || findings.count > 0)
            fail_msg("%s: %d: %s", cases[i].why, r,
                     findings.count ? findings.items[0].text : err.message);
        ci_dump(&got, config);
        if (!str_eq(buf_str(&got), cases[i].want))
            fail_msg("%s: got\n%s", cases[i].why, buf_str(&got));
    }
}

static void test_findings_say_where_and_what(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "nothing at all", "", "E f:1:1: the file must be a mapping of jobs\n" },
        { "a list", "- a\n", "E f:1:1: the file must be a mapping of jobs\n" },
        { "only hidden jobs", ".a: {script: s}\n", "E f:1:1: there is no job in this file\n" },
        { "broken YAML", "a:\n  script: [x\n",
          "E f:3:1: this is no valid YAML: did not find expected ',' or ']' while parsing a flow "
          "sequence\n" },
        { "a tab for indentation", "a:\n\tscript: s\n",
          "E f:2:1: a tab indents this line, and YAML allows spaces alone there\n" },
        { "a tab behind spaces", "a:\n  script:\n  \t- s\n",
          "E f:3:3: a tab indents this line, and YAML allows spaces alone there\n" },
        { "an alias to nowhere", "a:\n  script: *x\n",
          "E f:2:11: this is no valid YAML: found undefined alias\n" },
        { "two documents", "a: {script: s}\n---\nb: {script: s}\n",
          "E f:2:1: a second YAML document begins here; 'spec' headers are not supported, one "
          "document is\n" },
        { "bytes that are no text", "a: {script: \"\xff\"}\n",
          "E f:1:14: this is no UTF-8 text: invalid leading UTF-8 octet\n" },
        { "a job without a script", "a:\n  stage: build\n", "E f:1:1: job 'a' has no 'script'\n" },
        { "an empty script", "a:\n  script: []\n", "E f:2:11: job 'a': 'script' is empty\n" },
        { "a job that is a word", "a: make\n",
          "E f:1:4: 'a' is no keyword, and as a job it must be a mapping with a 'script', not a "
          "string\n" },
        { "the colon trap", "a:\n  script:\n    - echo \"x\"\n    - echo a: b\n",
          "E f:4:7: job 'a': 'script' must be a list of strings (quote a line that has ': '), not "
          "a mapping\n" },
        { "true is a truth, not a command", "a:\n  script:\n    - true\n",
          "E f:3:7: job 'a': 'script' must be a list of strings (quote the line), not true or "
          "false\n" },
        { "a script that is nothing", "a:\n  script:\n",
          "E f:2:10: job 'a': 'script' must be a string or a list of strings, not nothing\n" },
        { "lists within lists within lists", "a: {script: [[[[[[[[[[[x]]]]]]]]]]]}\n",
          "E f:1:23: lists of 'script' are nested deeper than 10 levels\n" },
        { "a stage that is not there", "stages: [x]\na:\n  stage: y\n  script: s\n",
          "E f:3:10: job 'a': there is no stage 'y'\n" },
        { "the default stage is not there either", "stages: [x]\na:\n  script: s\n",
          "E f:2:1: job 'a': there is no stage 'test'\n" },
        { "stages as a word", "stages: x\na: {script: s}\n",
          "E f:1:9: 'stages' must be a list of names, not the string 'x'\n" },
        { "a typing error", "a:\n  scrpt: s\n  script: s\n",
          "E f:2:3: job 'a': 'scrpt' is no keyword; did you mean 'script'?\n" },
        { "a keyword of nobody", "a:\n  script: s\n  xyzzy: 1\n",
          "E f:3:3: job 'a': 'xyzzy' is no keyword\n" },
        { "a keyword that would drive the terminal", "a:\n  script: s\n  \"sc\\e[2Jript\": 1\n",
          "E f:3:3: job 'a': 'sc\\x1b[2Jript' is no keyword\n" },
        { "trigger needs no script to be told so", "a:\n  trigger: g/p\n",
          "E f:2:3: job 'a': 'trigger' is not supported: there are no other pipelines here\n" },
        { "harmless keywords are warnings",
          "image: gcc\na:\n  script: s\n  tags: [x]\n  resource_group: 2\n",
          "W f:1:1: 'image' is not supported, ignoring: jobs run on an instance, not in a "
          "container\n"
          "W f:4:3: job 'a': 'tags' is not supported, ignoring: there is one runner, and it takes "
          "every job\n"
          "W f:5:3: job 'a': 'resource_group' is not supported, ignoring: there is one "
          "pipeline\n" },
        { "services that were to run", "a: {script: s, services: [redis]}\n",
          "W f:1:16: job 'a': 'services' is not supported, ignoring: nothing starts them here, and "
          "under `flotilla run` the job fails\n" },
        { "no services", "default: {services: [x]}\na: {script: s, services: [], tags: }\n",
          "W f:1:11: 'services' is not supported, ignoring: nothing starts them here, and under "
          "`flotilla run` the job fails\n" },
        { "an unknown need", "a:\n  script: s\n  needs: [b]\n",
          "E f:3:11: job 'a' needs 'b', and there is no such job\n" },
        { "a hidden job can't be needed", ".b: {script: s}\na:\n  script: s\n  needs: [.b]\n",
          "E f:4:11: job 'a' needs '.b', and there is no such job\n" },
        { "needs as a word", "a: {script: s}\nb: {script: s, needs: a}\n",
          "E f:2:23: job 'b': 'needs' must be a list of jobs, not the string 'a'\n" },
        { "needs of another project", "a:\n  script: s\n  needs:\n    - {project: g/p, job: a}\n",
          "E f:4:8: job 'a': 'needs' with 'project' is not supported, only jobs of this pipeline "
          "are\n" },
        { "a variable without a value", "variables:\n  A:\na: {script: s}\n",
          "E f:2:5: variable 'A' must be a string, a number, true or false, or have a 'value' "
          "that is one\n" },
        { "a variable that no shell can hold", "variables: {A-B: 1}\na: {script: s}\n",
          "E f:1:13: 'A-B' can't be the name of a variable; letters, digits and '_' can\n" },
        { "variables as a list", "a:\n  script: s\n  variables: [A]\n",
          "E f:3:14: job 'a': 'variables' must be a mapping of names to values, not a list\n" },
        { "allow_failure as a word", "a:\n  script: s\n  allow_failure: maybe\n",
          "E f:3:18: job 'a': 'allow_failure' must be true, false or a mapping with 'exit_codes' "
          "alone, not the string 'maybe'\n" },
        { "an exit code that is none", "a: {script: s, allow_failure: {exit_codes: [x]}}\n",
          "E f:1:45: job 'a': 'exit_codes' must be an exit code or a list of them, not the "
          "string 'x'\n" },
        { "a job that is there twice", "a: {script: s}\na: {script: t}\n",
          "W f:2:1: 'a' is there twice (first in line 1); the last one counts\n" },
        { "merging a word", "a:\n  <<: x\n  script: s\n",
          "E f:2:7: '<<' takes a mapping or a list of mappings, not a string\n" },
        { "include of elsewhere", "include: {remote: 'https://x/y.yml'}\na: {script: s}\n",
          "E f:1:11: 'remote' is not supported: put the file into the repository and include it "
          "with "
          "'local'\n" },
        { "include outside of a repository", "include: x.yml\na: {script: s}\n",
          "E f:1:10: 'include' needs a git repository, from which the file is read\n" },
        { "trigger", "a:\n  trigger: g/p\n",
          "E f:2:3: job 'a': 'trigger' is not supported: there are no other pipelines here\n" },
        { "when: something else", "a:\n  script: s\n  when: never\n",
          "E f:3:9: job 'a': 'when' must be on_success, on_failure, always, manual or delayed, not "
          "the string 'never'\n" },
        { "when: delayed", "a:\n  script: s\n  when: delayed\n  start_in: 5 minutes\n",
          "W f:3:9: job 'a': 'delayed' is not supported, ignoring: it starts without delay\n" },
        { "a default that nobody can read is told once",
          "default:\n  retry: many\na: {script: s}\nb: {script: s}\n",
          "E f:2:10: 'retry' must be a number from 0 to 2, or a mapping with 'max', 'when' and "
          "'exit_codes', not the string 'many'\n" },
        { "a number that is none of them is shown", "a: {script: s, retry: 5}\n",
          "E f:1:23: job 'a': 'retry' must be a number from 0 to 2, or a mapping with 'max', "
          "'when' and 'exit_codes', not the number 5\n" },
        { "a retry of nothing known", "a: {script: s, retry: {max: 1, when: rain}}\n",
          "E f:1:38: job 'a': 'retry' knows no failure 'rain'; there are always, script_failure, "
          "runner_system_failure, job_execution_timeout and others\n" },
        { "a timeout that is none", "a: {script: s, timeout: soon}\n",
          "E f:1:25: job 'a': 'timeout' must be a duration such as '1h 30m', not the string "
          "'soon'\n" },
        { "a hook of nobody", "a: {script: s, hooks: {post: x}}\n",
          "E f:1:24: 'hooks' has no 'post'; there is pre_get_sources_script\n" },
        { "parallel: many", "a: {script: s, parallel: 201}\n",
          "E f:1:26: job 'a': 'parallel' is a number from 1 to 200 or a 'matrix' of at most so "
          "many "
          "jobs\n" },
        { "a matrix beside something else",
          "a: {script: s, parallel: {matrix: [{X: 1}], max: 2}}\n",
          "E f:1:26: job 'a': 'parallel' is a number from 1 to 200 or a 'matrix' of at most so "
          "many jobs\n" },
        { "a matrix of mappings", "a: {script: s, parallel: {matrix: [{X: {}}]}}\n",
          "E f:1:40: job 'a': 'matrix' takes strings and numbers for 'X', not a mapping\n" },
        { "a matrix without values", "a: {script: s, parallel: {matrix: [{X: []}]}}\n",
          "E f:1:36: job 'a': a variable of 'matrix' has no values\n" },
        { "what is wrong with a parallel job is told once",
          "a: {script: s, parallel: 3, stage: q, needs: [z]}\n",
          "E f:1:36: job 'a 1/3': there is no stage 'q'\n"
          "E f:1:47: job 'a 1/3' needs 'z', and there is no such job\n" },
        { "inherit of something else", "a: {script: s, inherit: {jobs: true}}\n",
          "E f:1:26: job 'a': 'inherit' has no 'jobs'; there are default and variables\n" },
        { "a dependency that is not there", "a: {script: s, dependencies: [z]}\n",
          "E f:1:30: job 'a' has 'z' among its 'dependencies', and there is no such job\n" },
        { "a need of a later stage",
          "a: {stage: build, script: s, needs: [b]}\nb: {stage: test, script: s}\n",
          "E f:1:38: job 'a' of stage 'build' needs 'b' of the later stage 'test'\n" },
        { "a keyword is no job", "variables: {}\na: {script: s, needs: [variables]}\n",
          "E f:2:24: job 'a' needs 'variables', and there is no such job\n" },
        { "a tag that nobody knows", "a:\n  script: !env X\n",
          "E f:2:11: job 'a': 'script' has the tag !env, which is not supported\n" },
        { "all errors of a file at once", "a:\n  script: s\n  stage: q\nb:\n  trgger: [x]\n",
          "E f:3:10: job 'a': there is no stage 'q'\n"
          "E f:5:3: job 'b': 'trgger' is no keyword; did you mean 'trigger'?\n"
          "E f:4:1: job 'b' has no 'script'\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = NULL;
        struct config_findings findings = { 0 };
        autobuf struct buf got = BUF_INIT;
        int r = ci_config_parse("f", cases[i].text, strlen(cases[i].text), NULL, NULL, &config,
                                &findings, NULL);

        ci_dump_findings(&got, &findings);
        if (!str_eq(buf_str(&got), cases[i].want))
            fail_msg("%s: got\n%swanted\n%s", cases[i].why, buf_str(&got), cases[i].want);
        if ((r == 0) != (strstr(cases[i].want, "E ") != cases[i].want))
            fail_msg("%s: returned %d", cases[i].why, r);
        config_findings_done(&findings);
    }
}

static void test_named_jobs_run_whatever_is_said_of_when(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "nothing is said about other jobs",
          "a: {script: s}\nb:\n  rules: []\n  xyzzy: 1\n  stage: q\nc: [1]\n", "" },
        { "their rules do not count",
          "a:\n  script: s\n  rules: [{if: '$X', when: never}]\nb: {script: s, only: [x]}\n", "" },
        { "what else is wrong with them is still told", "a:\n  extends: .b\n",
          "E f:2:12: job 'a' extends '.b', and there is no such job\n"
          "E f:1:1: job 'a' has no 'script'\n" },
        { "and what is wrong with the file", "a: {script: s}\ninclude: x\n",
          "E f:2:10: 'include' takes files whose names end in .yml or .yaml, not 'x'\n" },
        { "naming a job is what 'manual' waits for", "a: {script: s, when: manual}\n", "" },
        { "a file that ends inside of another job ends for all",
          "b:\n  variables: &x\n    <<: *x\n  script: s\na: {script: s}\n",
          "E f:2:14: this value contains itself, by an alias or by '<<'\n" },
    };
    static const char *const names[] = { "a" };
    static const struct ci_selection selection = { names, 1 };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = NULL;
        struct config_findings findings = { 0 };
        autobuf struct buf got = BUF_INIT;
        const char *text = cases[i].text;
        int r =
            ci_config_parse("f", text, strlen(text), &selection, NULL, &config, &findings, NULL);

        ci_dump_findings(&got, &findings);
        if (!str_eq(buf_str(&got), cases[i].want))
            fail_msg("%s: got\n%swanted\n%s", cases[i].why, buf_str(&got), cases[i].want);
        if ((r == 0) != (config != NULL) || (r == 0) != !str_starts(cases[i].want, "E "))
            fail_msg("%s: returned %d", cases[i].why, r);
        config_findings_done(&findings);
    }
}

static void test_a_job_that_is_not_there_is_all_that_is_said(void **unused)
{
    static const char text[] = ".b: {script: s}\na:\n  xyzzy: 1\n";
    static const char *const names[] = { "b", ".b", "stages" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct ci_selection selection = { &names[i], 1 };
        auto_ptr(ci_config_free) struct ci_config *config = NULL;
        struct config_findings findings = { 0 };
        autofree char *want = mem_printf("f: there is no job '%s' in the file", names[i]);
        struct error err = { 0 };

        assert_int_equal(
            ci_config_parse("f", text, strlen(text), &selection, NULL, &config, &findings, &err),
            -EINVAL);
        assert_int_equal(findings.count, 0);
        assert_string_equal(err.message, want);
    }
}

/* hardening_40: what is small in the file must not be large in memory or in time. */
static void expect_error(const char *why, const struct buf *text, const char *part)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    int r = ci_config_parse("f", text->data, text->len, NULL, NULL, &config, &findings, NULL);

    if (r != -EINVAL || findings.count != 1 || !strstr(findings.items[0].text, part))
        fail_msg("%s: %d, %s", why, r, findings.count ? findings.items[0].text : "no finding");
    config_findings_done(&findings);
}

/* What is named several times is read once. */
static void expect_good(const char *why, const struct buf *text)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    int r = ci_config_parse("f", text->data, text->len, NULL, NULL, &config, &findings, NULL);

    if (r != 0 || findings.count != 0)
        fail_msg("%s: %d, %s", why, r, findings.count ? findings.items[0].text : "no finding");
}

static void test_errors_are_told_up_to_a_number(void **unused)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf text = BUF_INIT;

    (void) unused;
    for (int i = 0; i < 150; i++)
        buf_addf(&text, "a%d: {script: s, stage: q}\n", i);
    assert_int_equal(
        ci_config_parse("f", text.data, text.len, NULL, NULL, &config, &findings, NULL), -EINVAL);
    assert_int_equal(findings.count, 100);
    assert_string_equal(findings.items[99].text,
                        "f:100:25: from here on errors are no longer told: mend those above first");
    config_findings_done(&findings);
}

static void test_deep_and_aliased_files_are_refused(void **unused)
{
    autobuf struct buf deep = BUF_INIT, laughs = BUF_INIT, loop = BUF_INIT, many = BUF_INIT;
    autobuf struct buf merges = BUF_INIT, jobs = BUF_INIT, needs = BUF_INIT;

    (void) unused;
    buf_add_str(&deep, "a: ");
    for (int i = 0; i < 5000; i++)
        buf_add_char(&deep, '[');
    expect_error("depth", &deep, "f:1:67: lists and mappings are nested deeper than 64 levels");

    buf_add_str(&laughs, ".a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        buf_addf(&laughs, ".a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_addf(&laughs, "*a%d%s", i - 1, k < 9 ? ", " : "]\n");
    }
    buf_add_str(&laughs, "j:\n  script: *a8\n");
    expect_error("a billion laughs", &laughs, "aliases make this file larger than 60000 values");

    buf_add_str(&loop, "j: &j\n  <<: *j\n  script: s\n");
    expect_error("a merge of itself", &loop,
                 "f:1:4: this value contains itself, by an alias or by '<<'");

    buf_add_str(&merges, ".m0: &m0 {script: s}\n");
    for (int i = 1; i < 60; i++)
        buf_addf(&merges, ".m%d: &m%d {<<: [*m%d, *m%d]}\n", i, i, i - 1, i - 1);
    buf_add_str(&merges, "j: *m59\n");
    expect_good("merges that double", &merges);

    for (int i = 0; i < 11; i++)
        buf_addf(&jobs, "a%d: {script: s, parallel: 200}\n", i);
    expect_error("too many jobs", &jobs, "f:11:1: there are more than 2000 jobs");
    buf_add_str(&needs, "a: {script: s, parallel: 200}\nb: {script: s, parallel: 200}\n"
                        "c: {script: s, needs: [a, b]}\n");
    expect_error("too many needs", &needs, "f:3:23: job 'c' needs more than 250 jobs");

    buf_add_str(&many, "a:\n  script:\n");
    for (int i = 0; i < 30000; i++)
        buf_add_str(&many, "    - x\n");
    expect_error("too many values", &many, "the file has more than 20000 values");
}

/* Everything that a file may cost memory for; what a failure leaves out must not pass as a result. */
static int read_and_free(void *arg)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    int r = ci_config_parse("f", arg, strlen(arg), NULL, NULL, &config, &findings, NULL);

    config_findings_done(&findings);
    return r;
}

static void test_out_of_memory_is_an_error(void **unused)
{
    static char text[] =
        "stages: [x, y]\nvariables: {A: &v 1, B: {value: $A, expand: false}}\n"
        "default: {before_script: [b], retry: {max: 1, when: always}}\n"
        ".t: {script: [one], variables: {C: 2}, stage: x, image: i}\n"
        "a: {extends: .t, script: [!reference [.t, script], two], parallel: 2, "
        "rules: [{exists: ['$A*']}, {if: '$A =~ /^1/ && $C == \"2\"', variables: {D: *v}}]}\n"
        "b: {<<: {script: s}, stage: y, needs: [a], only: [/^m/i], except: {variables: [$A]}}\n"
        "c: {script: s, stage: y, parallel: {matrix: [{X: [1, 2]}]}, inherit: {variables: [A]}, "
        "dependencies: [a], allow_failure: {exit_codes: [1, 2]}}\n";

    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(read_and_free, text) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files_give_their_jobs),
        cmocka_unit_test(test_findings_say_where_and_what),
        cmocka_unit_test(test_named_jobs_run_whatever_is_said_of_when),
        cmocka_unit_test(test_a_job_that_is_not_there_is_all_that_is_said),
        cmocka_unit_test(test_out_of_memory_is_an_error),
        cmocka_unit_test(test_errors_are_told_up_to_a_number),
        cmocka_unit_test(test_deep_and_aliased_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
