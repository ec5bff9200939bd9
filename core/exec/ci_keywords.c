/* core/exec/ci_keywords.c - the tables, one a place where keywords may stand. */
#include "core/exec/ci_keywords.h"

#include <string.h>

#include "core/base/str.h"

#define NO_CONTAINER "jobs run on an instance, not in a container"
#define NO_SERVICES "nothing starts them here, and under `flotilla run` the job fails"
#define NOBODY_ELSE "nobody but later jobs can see them"
#define NO_INPUTS "there are no inputs here; use variables"
#define ONE_RUNNER "there is one runner, and it takes every job"
#define ONLY_LOCAL "put the file into the repository and include it with 'local'"
#define NOBODY_SIGNS "nobody signs tokens here"
#define ONE_PIPELINE "there is one pipeline"

static const struct ci_keyword job_keywords[] = {
    { "script", CI_KEYWORD_KNOWN, NULL },
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "stage", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL },
    { "needs", CI_KEYWORD_KNOWN, NULL },
    { "dependencies", CI_KEYWORD_KNOWN, NULL },
    { "allow_failure", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },
    { "start_in", CI_KEYWORD_KNOWN, NULL },
    { "extends", CI_KEYWORD_KNOWN, NULL },
    { "rules", CI_KEYWORD_KNOWN, NULL },
    { "only", CI_KEYWORD_KNOWN, NULL },
    { "except", CI_KEYWORD_KNOWN, NULL },
    { "parallel", CI_KEYWORD_KNOWN, NULL },
    { "retry", CI_KEYWORD_KNOWN, NULL },
    { "timeout", CI_KEYWORD_KNOWN, NULL },
    { "inherit", CI_KEYWORD_KNOWN, NULL },
    { "hooks", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_SERVICES },
    { "tags", CI_KEYWORD_IGNORED, ONE_RUNNER },
    { "artifacts", CI_KEYWORD_KNOWN, NULL },
    { "cache", CI_KEYWORD_KNOWN, NULL },
    { "interruptible", CI_KEYWORD_IGNORED, ONE_PIPELINE },
    { "resource_group", CI_KEYWORD_IGNORED, ONE_PIPELINE },
    { "coverage", CI_KEYWORD_IGNORED, "nothing reads the coverage" },
    { "environment", CI_KEYWORD_IGNORED, "there are no environments here" },
    { "release", CI_KEYWORD_IGNORED, "nothing is released from here" },
    { "pages", CI_KEYWORD_IGNORED, "nothing is published from here" },
    { "publish", CI_KEYWORD_IGNORED, "nothing is published from here" },
    { "manual_confirmation", CI_KEYWORD_IGNORED, "nobody starts manual jobs here" },
    { "trigger", CI_KEYWORD_REFUSED, "there are no other pipelines here" },
    { "run", CI_KEYWORD_REFUSED, "use 'script'" },
    { "secrets", CI_KEYWORD_REFUSED, "there is no store of secrets here; use variables" },
    { "id_tokens", CI_KEYWORD_REFUSED, NOBODY_SIGNS },
    { "identity", CI_KEYWORD_REFUSED, NOBODY_SIGNS },
    { "inputs", CI_KEYWORD_REFUSED, NO_INPUTS },
};

/* What may stand beside the jobs. */
static const struct ci_keyword top_keywords[] = {
    { "stages", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL },
    { "default", CI_KEYWORD_KNOWN, NULL },
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "workflow", CI_KEYWORD_KNOWN, NULL },
    { "include", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_SERVICES },
    { "cache", CI_KEYWORD_KNOWN, NULL },
    { "spec", CI_KEYWORD_REFUSED, NO_INPUTS },
};

static const struct ci_keyword default_keywords[] = {
    { "before_script", CI_KEYWORD_KNOWN, NULL },
    { "after_script", CI_KEYWORD_KNOWN, NULL },
    { "hooks", CI_KEYWORD_KNOWN, NULL },
    { "retry", CI_KEYWORD_KNOWN, NULL },
    { "timeout", CI_KEYWORD_KNOWN, NULL },
    { "image", CI_KEYWORD_IGNORED, NO_CONTAINER },
    { "services", CI_KEYWORD_IGNORED, NO_SERVICES },
    { "tags", CI_KEYWORD_IGNORED, ONE_RUNNER },
    { "artifacts", CI_KEYWORD_KNOWN, NULL },
    { "cache", CI_KEYWORD_KNOWN, NULL },
    { "interruptible", CI_KEYWORD_IGNORED, ONE_PIPELINE },
    { "id_tokens", CI_KEYWORD_REFUSED, NOBODY_SIGNS },
    { "identity", CI_KEYWORD_REFUSED, NOBODY_SIGNS },
};

static const struct ci_keyword rule_keywords[] = {
    { "if", CI_KEYWORD_KNOWN, NULL },
    { "changes", CI_KEYWORD_KNOWN, NULL },
    { "exists", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },
    { "allow_failure", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL },
    { "needs", CI_KEYWORD_KNOWN, NULL },
    { "start_in", CI_KEYWORD_KNOWN, NULL },
    { "interruptible", CI_KEYWORD_IGNORED, ONE_PIPELINE },
};

static const struct ci_keyword workflow_keywords[] = {
    { "rules", CI_KEYWORD_KNOWN, NULL },
    { "name", CI_KEYWORD_IGNORED, "nothing shows the pipeline's name" },
    { "auto_cancel", CI_KEYWORD_IGNORED, ONE_PIPELINE },
};

static const struct ci_keyword workflow_rule_keywords[] = {
    { "if", CI_KEYWORD_KNOWN, NULL },        { "changes", CI_KEYWORD_KNOWN, NULL },
    { "exists", CI_KEYWORD_KNOWN, NULL },    { "when", CI_KEYWORD_KNOWN, NULL },
    { "variables", CI_KEYWORD_KNOWN, NULL }, { "auto_cancel", CI_KEYWORD_IGNORED, ONE_PIPELINE },
};

static const struct ci_keyword include_keywords[] = {
    { "local", CI_KEYWORD_KNOWN, NULL },
    { "rules", CI_KEYWORD_KNOWN, NULL },
    { "remote", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "project", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "file", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "ref", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "template", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "component", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "artifact", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "job", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "integrity", CI_KEYWORD_REFUSED, ONLY_LOCAL },
    { "inputs", CI_KEYWORD_REFUSED, NO_INPUTS },
};

static const struct ci_keyword include_rule_keywords[] = {
    { "if", CI_KEYWORD_KNOWN, NULL },
    { "changes", CI_KEYWORD_KNOWN, NULL },
    { "exists", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },
};

static const struct ci_keyword artifacts_keywords[] = {
    { "paths", CI_KEYWORD_KNOWN, NULL },
    { "exclude", CI_KEYWORD_KNOWN, NULL },
    { "untracked", CI_KEYWORD_KNOWN, NULL },
    { "name", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },
    { "expire_in", CI_KEYWORD_KNOWN, NULL },
    { "reports", CI_KEYWORD_KNOWN, NULL },
    { "expose_as", CI_KEYWORD_IGNORED, "there are no merge requests here" },
    { "public", CI_KEYWORD_IGNORED, NOBODY_ELSE },
    { "access", CI_KEYWORD_IGNORED, NOBODY_ELSE },
};

static const struct ci_keyword cache_keywords[] = {
    { "key", CI_KEYWORD_KNOWN, NULL },       { "paths", CI_KEYWORD_KNOWN, NULL },
    { "untracked", CI_KEYWORD_KNOWN, NULL }, { "policy", CI_KEYWORD_KNOWN, NULL },
    { "when", CI_KEYWORD_KNOWN, NULL },      { "fallback_keys", CI_KEYWORD_KNOWN, NULL },
    { "unprotect", CI_KEYWORD_KNOWN, NULL },
};

static const struct ci_keyword cache_key_keywords[] = {
    { "files", CI_KEYWORD_KNOWN, NULL },
    { "files_commits", CI_KEYWORD_KNOWN, NULL },
    { "prefix", CI_KEYWORD_KNOWN, NULL },
};

static const struct {
    const struct ci_keyword *keywords;
    size_t count;
} places[] = {
    [CI_PLACE_JOB] = { job_keywords, ARRAY_LEN(job_keywords) },
    [CI_PLACE_TOP] = { top_keywords, ARRAY_LEN(top_keywords) },
    [CI_PLACE_DEFAULT] = { default_keywords, ARRAY_LEN(default_keywords) },
    [CI_PLACE_RULE] = { rule_keywords, ARRAY_LEN(rule_keywords) },
    [CI_PLACE_WORKFLOW] = { workflow_keywords, ARRAY_LEN(workflow_keywords) },
    [CI_PLACE_WORKFLOW_RULE] = { workflow_rule_keywords, ARRAY_LEN(workflow_rule_keywords) },
    [CI_PLACE_INCLUDE] = { include_keywords, ARRAY_LEN(include_keywords) },
    [CI_PLACE_INCLUDE_RULE] = { include_rule_keywords, ARRAY_LEN(include_rule_keywords) },
    [CI_PLACE_ARTIFACTS] = { artifacts_keywords, ARRAY_LEN(artifacts_keywords) },
    [CI_PLACE_CACHE] = { cache_keywords, ARRAY_LEN(cache_keywords) },
    [CI_PLACE_CACHE_KEY] = { cache_key_keywords, ARRAY_LEN(cache_key_keywords) },
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
