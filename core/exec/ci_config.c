/* core/exec/ci_config.c - the lists that a pipeline is made of, and their end. */
#include "core/exec/ci_config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* The room for lines doubles when it is full, which it is at each power of two. */
int ci_lines_add(struct ci_lines *lines, const char *text)
{
    bool full = (lines->count & (lines->count - 1)) == 0;
    size_t room = lines->count > 0 ? 2 * lines->count : 1;
    char **grown = full ? mem_resize(lines->items, room, sizeof(char *)) : lines->items;
    char *copy = mem_strdup(text);

    if (grown)
        lines->items = grown;
    if (!grown || !copy) {
        free(copy);
        return -ENOMEM;
    }
    grown[lines->count++] = copy;
    return 0;
}

bool ci_lines_have(const struct ci_lines *lines, const char *text)
{
    for (size_t i = 0; i < lines->count; i++)
        if (str_eq(lines->items[i], text))
            return true;
    return false;
}

void ci_lines_done(struct ci_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct ci_lines) { 0 };
}

static struct ci_variable *find(const struct ci_variables *variables, const char *key)
{
    for (size_t i = 0; i < variables->count; i++)
        if (str_eq(variables->items[i].key, key))
            return &variables->items[i];
    return NULL;
}

const struct ci_variable *ci_variables_find(const struct ci_variables *variables, const char *key)
{
    return find(variables, key);
}

int ci_variables_set(struct ci_variables *variables, const struct ci_variable *variable)
{
    struct ci_variable *old = find(variables, variable->key), *items;
    struct ci_variable copy = *variable;

    copy.key = mem_strdup(variable->key);
    copy.value = mem_strdup(variable->value);
    items =
        old ? variables->items : mem_resize(variables->items, variables->count + 1, sizeof(*items));
    if (items)
        variables->items = items;
    if (!items || !copy.key || !copy.value) {
        free(copy.key);
        free(copy.value);
        return -ENOMEM;
    }
    if (old) {
        free(old->key);
        free(old->value);
        *old = copy;
    } else {
        items[variables->count++] = copy;
    }
    return 0;
}

int ci_variables_add(struct ci_variables *variables, const char *key, const char *value, bool raw)
{
    const struct ci_variable variable = { .key = (char *) (uintptr_t) key,
                                          .value = (char *) (uintptr_t) value,
                                          .raw = raw };

    return ci_variables_set(variables, &variable);
}

int ci_variables_copy(struct ci_variables *to, const struct ci_variables *from)
{
    int r = 0;

    for (size_t i = 0; i < from->count && r == 0; i++)
        r = ci_variables_set(to, &from->items[i]);
    return r;
}

void ci_variables_done(struct ci_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->items[i].key);
        free(variables->items[i].value);
    }
    free(variables->items);
    *variables = (struct ci_variables) { 0 };
}

void ci_artifact_done(struct ci_artifact *artifact)
{
    free(artifact->name);
    free(artifact->expire_in);
    ci_lines_done(&artifact->paths);
    ci_lines_done(&artifact->exclude);
    *artifact = (struct ci_artifact) { 0 };
}

void ci_artifacts_done(struct ci_artifacts *artifacts)
{
    for (size_t i = 0; i < artifacts->count; i++)
        ci_artifact_done(&artifacts->items[i]);
    free(artifacts->items);
    *artifacts = (struct ci_artifacts) { 0 };
}

void ci_caches_done(struct ci_caches *caches)
{
    for (size_t i = 0; i < caches->count; i++) {
        free(caches->items[i].key);
        free(caches->items[i].policy);
        ci_lines_done(&caches->items[i].paths);
        ci_lines_done(&caches->items[i].fallback_keys);
    }
    free(caches->items);
    *caches = (struct ci_caches) { 0 };
}

bool ci_codes_have(const struct ci_codes *codes, int code)
{
    for (size_t i = 0; i < codes->count; i++)
        if (codes->items[i] == code)
            return true;
    return false;
}

bool ci_job_inherits(const struct ci_job *job, const char *variable)
{
    return job->inherits_all || ci_lines_have(&job->inherits, variable);
}

void ci_job_done(struct ci_job *job)
{
    free(job->name);
    free(job->base);
    free(job->place);
    ci_lines_done(&job->script);
    ci_lines_done(&job->before_script);
    ci_lines_done(&job->after_script);
    ci_lines_done(&job->pre_get_sources);
    ci_lines_done(&job->inherits);
    ci_lines_done(&job->needs);
    ci_lines_done(&job->picked);
    ci_artifacts_done(&job->artifacts);
    ci_caches_done(&job->caches);
    ci_lines_done(&job->retry.reasons);
    ci_variables_done(&job->variables);
    free(job->retry.exit_codes.items);
    free(job->allow_exit_codes.items);
    *job = (struct ci_job) { 0 };
}

void ci_config_free(struct ci_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_stages; i++)
        free(config->stages[i]);
    free(config->stages);
    ci_variables_done(&config->variables);
    for (size_t i = 0; i < config->n_jobs; i++)
        ci_job_done(&config->jobs[i]);
    free(config->jobs);
    ci_lines_done(&config->files);
    free(config);
}

const struct ci_job *ci_config_find(const struct ci_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_jobs; i++)
        if (str_eq(config->jobs[i].name, name))
            return &config->jobs[i];
    return NULL;
}

bool ci_selects(const struct ci_selection *selection, const struct ci_job *job)
{
    if (!selection || selection->count == 0)
        return true;
    for (size_t i = 0; i < selection->count; i++)
        if (str_eq(job->name, selection->names[i]) || str_eq(job->base, selection->names[i]))
            return true;
    return false;
}
