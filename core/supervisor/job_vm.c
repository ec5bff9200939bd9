/* core/supervisor/job_vm.c - where a job works, as its worker tells: its directory, for whoever wants to look there
 * (enter.c), and its VM, which is kept in the job's row, so that no gate takes it for one that nobody has, also after a
 * restart (docs/design/processes.md "VMs"). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/supervisor/internal.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define DIRECTORY_MAX 4096
#define ADDRESS_MAX 512

static bool is_there(const struct job *job, const struct group *group, const char *instance)
{
    return job->group->id == group->id && str_eq(job->instance_id, instance) &&
           (job->state == JOB_ASSIGNED || job->state == JOB_RUNNING);
}

json_t *job_vms_on(const struct group *group, const char *instance)
{
    json_t *vms = json_object_new_array();

    for (const struct job *job = group->supervisor->jobs; vms && job; job = job->next)
        if (is_there(job, group, instance) && *job->vm)
            (void) json_object_array_add(vms, json_object_new_string(job->vm));
    return vms;
}

bool job_may_make_vm_on(const struct group *group, const char *instance)
{
    for (const struct job *job = group->supervisor->jobs; job; job = job->next)
        if (is_there(job, group, instance) && job->spawned && !*job->vm)
            return true;
    return false;
}

/* One that made way means that somebody could not remove it. */
static void tell(const struct job *job, const char *image, const char *stomped)
{
    log_info("job %" PRId64 ": runs in VM %s (%.255s) on instance %s", job->job_id, job->vm, image,
             job->instance_id);
    if (plugin_id_valid(stomped))
        log_warning("job %" PRId64 ": VM %s was left in its slot of instance %s and made way",
                    job->job_id, stomped, job->instance_id);
}

void job_take_directory(struct job *job, json_t *frame)
{
    const char *path = NULL;

    if (job->directory || json_opt_str(frame, "directory", &path, NULL) < 0 || !path ||
        strlen(path) > DIRECTORY_MAX)
        return;
    job->directory = mem_strdup(path);
}

int job_take_vm(struct job *job, json_t *frame, struct error *err)
{
    const char *id = NULL, *image = "", *stomped = "", *address = NULL;
    int r = json_need_str(frame, "id", &id, err);

    if (r == 0)
        r = json_opt_str(frame, "image", &image, err);
    if (r == 0)
        r = json_opt_str(frame, "stomped", &stomped, err);
    if (r == 0)
        r = json_opt_str(frame, "address", &address, err);
    if (r == 0 && !plugin_id_valid(id))
        r = error_set(err, -EPROTO, "vm: id: is none");
    if (r == 0 && address && strlen(address) > ADDRESS_MAX)
        r = error_set(err, -EPROTO, "vm: address: is too long");
    if (r == 0 && address && !job->vm_address)
        job->vm_address = mem_strdup(address);
    if (r < 0 || str_eq(id, job->vm) || job->state >= JOB_FINISHED)
        return r;
    (void) str_copy(job->vm, sizeof(job->vm), id);
    EFFECT("vm_row", r = ledger_note_vm(job->supervisor->ledger, job->seq, job->vm, err));
    if (r < 0) {
        supervisor_fatal(job->supervisor, "noting a job's VM", err);
        return 0;
    }
    tell(job, image, stomped);
    supervisor_evaluate_soon(job->supervisor); /* a gate may have waited for it */
    return 0;
}
