/* core/exec/ci_keywords.c - the tables, one a place where keywords may stand. */
#include "core/exec/ci_keywords.h"

#include <string.h>

#include "core/base/str.h"

#define NO_CONTAINER "jobs run on an instance, not in a container"
#define NO_STORE "nothing is kept between jobs"
#define WHICH_JOBS_RUN "which jobs run would differ; name the jobs on the command line"

static const struct ci_keyword job_keywords[] = {
    { "script", CI_KEYWORD_KNOWN, NULL },
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "stage", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL },
    { "needs", CI_KEYWORD_KNOWN, NULL },
    { "allow_failure", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "tags", CI_KEYWORD_IGNORED, "there is one runner, and it takes every job" },
    { "artifacts", CI_KEYWORD_IGNORED, NO_STORE },
    { "dependencies", CI_KEYWORD_IGNORED, NO_STORE },
    { "cache", CI_KEYWORD_IGNORED, NO_STORE },
    { "interruptible", CI_KEYWORD_IGNORED, "there is one pipeline" },
    { "resource_group", CI_KEYWORD_IGNORED, "there is one pipeline" },
    { "retry", CI_KEYWORD_IGNORED, "a job runs once" },
    { "timeout", CI_KEYWORD_IGNORED, "a job may take an hour" },
    { "coverage", CI_KEYWORD_IGNORED, "nothing reads the coverage" },
    { "environment", CI_KEYWORD_IGNORED, "there are no environments here" },
    { "release", CI_KEYWORD_IGNORED, "nothing is released from here" },
    { "pages", CI_KEYWORD_IGNORED, "nothing is published from here" },
    { "publish", CI_KEYWORD_IGNORED, "nothing is published from here" },
    { "include", CI_KEYWORD_REFUSED, "put the jobs into this file" },
    { "extends", CI_KEYWORD_REFUSED, "use a YAML anchor and '<<' instead" },
    { "rules", CI_KEYWORD_SELECTS, WHICH_JOBS_RUN },
    { "only", CI_KEYWORD_SELECTS, WHICH_JOBS_RUN },
    { "except", CI_KEYWORD_SELECTS, WHICH_JOBS_RUN },
    { "parallel", CI_KEYWORD_REFUSED, "write the jobs out" },
    { "trigger", CI_KEYWORD_REFUSED, "there are no other pipelines here" },
    { "start_in", CI_KEYWORD_REFUSED, "jobs start when they can" },
    { "inherit", CI_KEYWORD_REFUSED, "defaults are always taken over" },
    { "run", CI_KEYWORD_REFUSED, "use 'script'" },
    { "hooks", CI_KEYWORD_REFUSED, "use 'before_script'" },
    { "secrets", CI_KEYWORD_REFUSED, "there is no store of secrets here; use variables" },
    { "id_tokens", CI_KEYWORD_REFUSED, "nobody signs tokens here" },
    { "identity", CI_KEYWORD_REFUSED, "nobody signs tokens here" },
};

/* What may stand beside the jobs. */
static const struct ci_keyword top_keywords[] = {
    { "stages", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL },
    { "default", CI_KEYWORD_KNOWN, NULL },
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "cache", CI_KEYWORD_IGNORED, NO_STORE },
    { "workflow", CI_KEYWORD_IGNORED, "the pipeline always runs" },
    { "include", CI_KEYWORD_REFUSED, "put the jobs into this file" },
    { "spec", CI_KEYWORD_REFUSED, "there are no inputs here" },
};

static const struct ci_keyword default_keywords[] = {
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "tags", CI_KEYWORD_IGNORED, "there is one runner, and it takes every job" },
    { "artifacts", CI_KEYWORD_IGNORED, NO_STORE },
    { "cache", CI_KEYWORD_IGNORED, NO_STORE },
    { "interruptible", CI_KEYWORD_IGNORED, "there is one pipeline" },
    { "retry", CI_KEYWORD_IGNORED, "a job runs once" },
    { "timeout", CI_KEYWORD_IGNORED, "a job may take an hour" },
    { "hooks", CI_KEYWORD_REFUSED, "use 'before_script'" },
    { "id_tokens", CI_KEYWORD_REFUSED, "nobody signs tokens here" },
    { "identity", CI_KEYWORD_REFUSED, "nobody signs tokens here" },
};

static const struct {
    const struct ci_keyword *keywords;
    size_t count;
} places[] = {
    [CI_PLACE_JOB] = { job_keywords, ARRAY_LEN(job_keywords) },
    [CI_PLACE_TOP] = { top_keywords, ARRAY_LEN(top_keywords) },
    [CI_PLACE_DEFAULT] = { default_keywords, ARRAY_LEN(default_keywords) },
};

const struct ci_keyword *ci_keyword_find(enum ci_place place, const char *name)
{
    for (size_t i = 0; i < places[place].count; i++)
        if (str_eq(places[place].keywords[i].name, name))
            return &places[place].keywords[i];
    return NULL;
}

const char *ci_keyword_nearest(enum ci_place place, const char *name)
{
    size_t best = MIN(strlen(name) / 3 + 1, (size_t) 3);
    const char *found = NULL;

    for (size_t i = 0; i < places[place].count; i++) {
        const char *keyword = places[place].keywords[i].name;
        size_t distance = str_distance(keyword, name, best);

        if (distance < best || (distance == best && !found)) {
            best = distance;
            found = keyword;
        }
    }
    return found;
}
