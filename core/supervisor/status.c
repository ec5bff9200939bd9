/* core/supervisor/status.c - what `flotilla status` and `flotilla fleet` show: the same numbers that the scaler decided
 * by. explain.c says why. */
#include "core/supervisor/internal.h"

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/describe.h"
#include "core/supervisor/names.h"
#include "core/supervisor/turns.h"

/* `only` NULL: all of them. */
static int add_groups(const struct supervisor *supervisor, const char *only, json_t *report)
{
    autojson json_t *runners = json_object_new_array(), *instances = json_object_new_array();
    int found = 0;

    for (size_t i = 0; runners && instances && i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];

        if (only && !str_eq(only, group->runner->name))
            continue;
        found++;
        (void) json_object_array_add(runners, describe_runner(group));
        for (size_t k = 0; k < fleet_instance_count(group->fleet); k++)
            (void) json_object_array_add(
                instances, describe_instance(group, fleet_instance_at(group->fleet, k)));
    }
    (void) json_add_i64(report, "now_ms", now_wall(supervisor));
    (void) json_add(report, "runners", take_ptr(runners));
    (void) json_add(report, "instances", take_ptr(instances));
    return found;
}

json_t *status_report(struct supervisor *supervisor, json_t *request)
{
    json_t *report = json_frame("status"), *jobs = json_object_new_array();

    (void) request;
    for (const struct job *job = supervisor->jobs; jobs && job; job = job->next)
        (void) json_object_array_add(jobs, describe_job(job));
    if (!report) {
        json_object_put(jobs);
        return NULL;
    }
    (void) json_add_str(report, "version", FLOTILLA_VERSION);
    (void) json_add_str(report, "system_id", supervisor->system_id);
    (void) json_add_bool(report, "draining", supervisor->draining);
    (void) json_add(report, "loop", turns_describe(supervisor->turns));
    (void) json_add(report, "problems", describe_problems(supervisor));
    (void) add_groups(supervisor, NULL, report);
    (void) json_add(report, "jobs", jobs);
    return report;
}

json_t *fleet_report(struct supervisor *supervisor, json_t *request)
{
    autojson json_t *report = json_frame("fleet");
    struct operator_name name = { 0 };
    struct error err = { 0 };
    json_t *answer;
    int r = name_of_request(request, false, &name, &err);

    if (r == 0 && report && add_groups(supervisor, name.text, report) == 0 && name.text)
        r = name_unknown(supervisor, &(struct operator_name) { NAMED_RUNNER, name.text }, "runner",
                         &err);
    if (r == 0)
        return take_ptr(report);
    answer = json_frame("error");
    (void) json_add_str(answer, "message", err.message);
    return answer;
}
