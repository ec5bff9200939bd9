/* core/exec/sources.c - see sources.h. */
#include "core/exec/sources.h"

#include <errno.h>

#include "core/base/mem.h"

static bool gives(const struct ci_job *from, const struct ci_job *job)
{
    return job->picks ? ci_lines_have(&job->picked, from->name) : from->stage < job->stage;
}

int sources_of(const struct pipeline *pipeline, const struct artifact_store *store,
               const struct ci_job *job, struct payload_source **ret, size_t *ret_count)
{
    struct payload_source *sources = mem_array(pipeline->n_jobs + 1, sizeof(*sources));
    size_t count = 0;

    if (!sources)
        return -ENOMEM;
    for (size_t stage = 0; stage <= job->stage; stage++)
        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            const struct pipeline_job *from = &pipeline->jobs[i];
            const struct artifact_set *set = artifact_store_find(store, from->id);

            if (set && from->job->stage == stage && gives(from->job, job))
                sources[count++] = (struct payload_source) { from->job->name, set };
        }
    *ret = sources;
    *ret_count = count;
    return 0;
}
