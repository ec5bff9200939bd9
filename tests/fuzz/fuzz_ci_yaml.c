/* tests/fuzz/fuzz_ci_yaml.c - any bytes as a .gitlab-ci.yml: reading ends soon, what it gives is whole,
 * and what it says is a sentence with its place, fit for a terminal.
 *
 * Input: a byte that chooses what the pipeline is for, then the file. What comes out is checked, made
 * a pipeline and played to its end, each job failing when its name has an odd length; every job must
 * then be over. Any difference aborts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/payload.h"
#include "core/exec/pipeline.h"

#define TRIES_MAX 3 /* of a job: two retries */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_ci_yaml: %s\n", what);
    abort();
}

static int changes(void *arg, const char *since, struct ci_lines *ret, struct error *err)
{
    (void) arg;
    (void) err;
    return since ? ci_lines_add(ret, "src/a.c") : 1;
}

static void fill(struct ci_context *context, uint8_t choice)
{
    static const char *const files[] = { "Makefile", "src/a.c", "ci/x.yml" };

    *context = (struct ci_context) { .changes = choice & 2 ? changes : NULL };
    require(ci_variables_add(&context->variables, "CI_PIPELINE_SOURCE", "push", true) == 0 &&
                ci_variables_add(&context->variables,
                                 choice & 4 ? "CI_COMMIT_TAG" : "CI_COMMIT_BRANCH", "main",
                                 true) == 0 &&
                ci_variables_add(&context->variables, "CI_COMMIT_REF_NAME", "main", true) == 0,
            "memory");
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        require(ci_lines_add(&context->files, files[i]) == 0, "memory");
}

static void check_findings(struct config_findings *findings, bool good)
{
    bool error = false;

    for (size_t i = 0; i < findings->count; i++) {
        const struct config_finding *finding = &findings->items[i];

        error = error || finding->severity == CONFIG_ERROR;
        require(str_starts(finding->text, "f:") && finding->line > 0 && finding->column > 0,
                "a finding has no place");
        for (const char *c = finding->text; *c; c++)
            require((unsigned char) *c >= ' ' && *c != 0x7f, "a finding drives the terminal");
    }
    require(good != error, "the result is not what the findings say");
    config_findings_done(findings);
}

static void check_job(const struct ci_config *config, const struct ci_job *job)
{
    static const struct payload_pipeline shared = { .sha = "0123456789",
                                                    .ref = "main",
                                                    .before_sha = "0",
                                                    .project_name = "p",
                                                    .project_path = "l/p",
                                                    .project_namespace = "l",
                                                    .object_format = "sha1",
                                                    .repo_url = "file:///r" };
    const struct payload_job of = { .job = job, .id = 1, .token = "t" };
    json_t *payload = NULL;

    require(job->stage < config->n_stages && job->script.count > 0 && *job->name,
            "a job is not whole");
    require(job->node_index <= job->node_total, "a parallel job counts too far");
    for (size_t i = 0; i < job->needs.count; i++)
        require(ci_config_find(config, job->needs.items[i]) != NULL, "a need is no job");
    require(payload_new(&shared, config, &of, &payload, NULL) == 0, "no payload");
    json_object_put(payload);
}

static void play(const struct ci_config *config)
{
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;
    struct pipeline_job *job;
    size_t steps = 0;

    if (pipeline_new(config, NULL, 0, &pipeline, NULL) < 0)
        return; /* a circle */
    while ((job = pipeline_take(pipeline)) != NULL) {
        bool good = strlen(job->job->name) % 2 == 0;

        require(++steps <= TRIES_MAX * config->n_jobs, "jobs are tried for ever");
        pipeline_started(pipeline, job->id, 1);
        pipeline_finished(pipeline, job->id, good, good ? 0 : 1, good ? NULL : "script_failure", 2);
    }
    require(pipeline_done(pipeline), "a job waits for ever");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a", "b 1/2" };
    struct ci_selection selection = { names, ARRAY_LEN(names) };
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    struct ci_context context;
    struct error err = { 0 };
    bool named;
    int r;

    if (size < 1 || size > (64 << 10))
        return 0;
    named = data[0] & 1;
    fill(&context, data[0]);
    r = ci_config_parse("f", (const char *) data + 1, size - 1, named ? &selection : NULL, &context,
                        &config, &findings, &err);
    require((r == 0) == (config != NULL), "a result with an error");
    /* A name that is not there is told by the error, without a finding. */
    if (r < 0 && strstr(err.message, "there is no job"))
        config_findings_done(&findings);
    else
        check_findings(&findings, r == 0);
    for (size_t i = 0; config && i < config->n_jobs; i++)
        if (ci_selects(named ? &selection : NULL, &config->jobs[i]))
            check_job(config, &config->jobs[i]);
    if (config && !named)
        play(config);
    ci_context_done(&context);
    return 0;
}
