/* core/exec/ci_needs.c - names become jobs of this pipeline: one, those of a `parallel`, or none when
 * rules left it out and the need is optional. */
#include "core/exec/ci_needs.h"

#include "core/base/str.h"
#include "core/exec/ci_matrix.h"
#include "core/exec/ci_yaml.h"

#define NEEDS_MAX 250 /* of one job; GitLab takes 50 unless it is told otherwise */

/* An entry, as far as it matters here. */
struct need {
    const struct yaml_value *place, *parallel; /* parallel: NULL = all of them */
    const char *name;
    bool optional, without_artifacts;
};

static struct need read_mapping(struct ci_reading *reading, const char *job,
                                const struct yaml_value *entry)
{
    const struct yaml_value *name = yaml_get(entry, "job");
    struct need need = { .place = entry };

    for (size_t i = 0; i < entry->map.count; i++) {
        const struct yaml_pair *pair = &entry->map.items[i];

        if (str_eq(pair->key, "optional"))
            need.optional = ci_read_truth(reading, job, "optional", pair->value);
        else if (str_eq(pair->key, "parallel"))
            need.parallel = pair->value;
        else if (str_eq(pair->key, "artifacts"))
            need.without_artifacts = !ci_read_truth(reading, job, "artifacts", pair->value);
        else if (!str_eq(pair->key, "job"))
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->place,
                         "job '%s': 'needs' with '%s' is not supported, only jobs of this pipeline "
                         "are",
                         job, pair->key);
    }
    if (name && yaml_scalar(name))
        need.name = yaml_scalar(name);
    else
        yaml_finding(&reading->doc, CONFIG_ERROR, entry,
                     "job '%s': an entry of 'needs' must name a 'job'", job);
    return need;
}

static bool is_wanted(const struct ci_job *job, const struct need *need,
                      const struct ci_instances *wanted)
{
    if (!need->parallel)
        return str_eq(job->base, need->name) || str_eq(job->name, need->name);
    for (size_t i = 0; i < wanted->count; i++)
        if (str_eq(job->name, wanted->items[i].name))
            return true;
    return false;
}

/* It is in the file, whatever the rules said. */
static bool is_written(const struct ci_reading *reading, const char *name)
{
    return !str_starts(name, ".") && !ci_keyword_find(CI_PLACE_TOP, name) &&
           yaml_map_find(&reading->top->map, name);
}

static void missing(struct ci_reading *reading, const struct ci_job *job, const struct need *need)
{
    if (need->optional)
        return;
    if (!is_written(reading, need->name))
        yaml_finding(&reading->doc, CONFIG_ERROR, need->place,
                     "job '%s' needs '%s', and there is no such job", job->name, need->name);
    else if (!reading->named)
        yaml_finding(
            &reading->doc, CONFIG_ERROR, need->place,
            "job '%s' needs '%s', which is not in this pipeline; 'optional: true' would do "
            "without it",
            job->name, need->name);
}

static void add_need(struct ci_reading *reading, struct ci_job *job, const struct need *need)
{
    const struct ci_config *config = reading->config;
    struct ci_instances wanted = { 0 };
    bool found = false;

    if (need->parallel)
        ci_matrix_read(reading, need->name, need->parallel, &wanted);
    for (size_t i = 0; i < config->n_jobs; i++) {
        const struct ci_job *other = &config->jobs[i];

        if (!is_wanted(other, need, &wanted))
            continue;
        found = true;
        if (other->stage > job->stage)
            yaml_finding(&reading->doc, CONFIG_ERROR, need->place,
                         "job '%s' of stage '%s' needs '%s' of the later stage '%s'", job->name,
                         config->stages[job->stage], other->name, config->stages[other->stage]);
        if (!ci_lines_have(&job->needs, other->name))
            ci_append(reading, &job->needs, other->name);
        if (!need->without_artifacts && !ci_lines_have(&job->picked, other->name))
            ci_append(reading, &job->picked, other->name);
    }
    if (!found)
        missing(reading, job, need);
    ci_instances_done(&wanted);
}

static void read_needs(struct ci_reading *reading, const struct yaml_value *needs,
                       struct ci_job *job)
{
    job->has_needs = job->picks = true;
    if (needs->kind != YAML_KIND_SEQUENCE) {
        ci_wrong_kind(reading, job->name, "needs", needs, "a list of jobs");
        return;
    }
    for (size_t i = 0; i < needs->n_items && yaml_visit(&reading->doc, needs); i++) {
        const struct yaml_value *entry = needs->items[i];
        struct need need = { .place = entry, .name = yaml_scalar(entry) };

        if (entry->kind == YAML_KIND_MAPPING)
            need = read_mapping(reading, job->name, entry);
        else if (!need.name)
            ci_wrong_kind(reading, job->name, "needs", entry, "a list of jobs");
        if (need.name)
            add_need(reading, job, &need);
        if (job->needs.count <= NEEDS_MAX)
            continue;
        yaml_finding(&reading->doc, CONFIG_ERROR, needs, "job '%s' needs more than %d jobs",
                     job->name, NEEDS_MAX);
        return;
    }
}

static bool is_among(const struct ci_lines *names, const struct ci_job *job)
{
    return ci_lines_have(names, job->base) || ci_lines_have(names, job->name);
}

/* Jobs whose artifacts a job takes are of earlier stages, or needed: they order nothing. */
static void take_dependencies(struct ci_reading *reading, const struct ci_lines *names,
                              struct ci_job *job)
{
    const struct ci_config *config = reading->config;
    struct ci_lines picked = { 0 };

    for (size_t i = 0; i < config->n_jobs; i++) {
        const struct ci_job *other = &config->jobs[i];
        bool within =
            job->picks ? ci_lines_have(&job->picked, other->name) : other->stage < job->stage;

        if (within && is_among(names, other))
            ci_append(reading, &picked, other->name);
    }
    ci_lines_done(&job->picked);
    job->picks = true;
    job->picked = picked;
}

static void read_dependencies(struct ci_reading *reading, const struct yaml_value *dependencies,
                              struct ci_job *job)
{
    struct ci_lines names = { 0 };

    ci_read_lines(reading, job->name, "dependencies", dependencies, &names);
    for (size_t i = 0; i < names.count; i++)
        if (!is_written(reading, names.items[i]) &&
            !ci_config_find(reading->config, names.items[i]))
            yaml_finding(&reading->doc, CONFIG_ERROR, dependencies,
                         "job '%s' has '%s' among its 'dependencies', and there is no such job",
                         job->name, names.items[i]);
    take_dependencies(reading, &names, job);
    ci_lines_done(&names);
}

void ci_needs_resolve(struct ci_reading *reading)
{
    struct yaml_doc *doc = &reading->doc;
    size_t first_finding = 0;

    for (size_t i = 0; i < reading->config->n_jobs && !doc->exhausted; i++) {
        struct ci_job *job = &reading->config->jobs[i];
        bool again = i > 0 && str_eq(job->base, job[-1].base);

        /* What is wrong with the jobs of one `parallel` is told once. */
        if (!again)
            first_finding = doc->findings->count;
        doc->once_from = again ? first_finding : SIZE_MAX;
        doc->muted = !ci_yaml_heard(reading, job->base);
        if (reading->links[i].needs)
            read_needs(reading, reading->links[i].needs, job);
        if (reading->links[i].dependencies)
            read_dependencies(reading, reading->links[i].dependencies, job);
    }
    doc->once_from = SIZE_MAX;
    doc->muted = false;
}
