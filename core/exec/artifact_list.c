/* core/exec/artifact_list.c - see artifact_list.h. Names come from the file and from jobs: control bytes are
 * shown. */
#include "core/exec/artifact_list.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"

#define NAME_SHOWN 64

void artifact_list_walk(const struct pipeline *pipeline, const struct artifact_store *store,
                        artifact_list_fn call, void *arg)
{
    for (size_t stage = 0; stage < pipeline->config->n_stages; stage++)
        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            const struct pipeline_job *job = &pipeline->jobs[i];
            const struct artifact_set *set = artifact_store_find(store, job->id);

            for (size_t k = 0; set && job->job->stage == stage && k < set->n_files; k++)
                call(arg, job->job->name, &set->files[k]);
        }
}

struct listing {
    struct buf *out;
    const char *folder; /* NULL = it goes */
};

static void add_line(void *arg, const char *job, const struct artifact_file *file)
{
    const struct listing *listing = arg;
    struct buf *out = listing->out;

    buf_addf(out, "%s of '", file->type->name);
    str_display(out, job, strlen(job), NAME_SHOWN);
    buf_add_str(out, "': ");
    if (listing->folder)
        buf_addf(out, "%s/%s", listing->folder, file->file);
    else
        str_display(out, file->name, strlen(file->name), NAME_SHOWN);
    buf_addf(out, ", %" PRId64 " bytes\n", file->size);
}

void artifact_list_format(struct buf *out, const struct pipeline *pipeline,
                          const struct artifact_store *store, bool stays)
{
    struct listing listing = { out, stays ? artifact_store_folder(store) : NULL };

    artifact_list_walk(pipeline, store, add_line, &listing);
}
