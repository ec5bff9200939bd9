/* core/job/flags.c - the feature flags of a job: the configuration's word, else the job's variable, else
 * the default (job-execution.md 2.8). Called by settings.c. */
#include <errno.h>

#include "core/base/str.h"
#include "core/job/job.h"

struct flag {
    const char *name;
    bool initial;
};

#define ROW(name, initially, acted_on) { #name, initially },
static const struct flag flags[] = { FEATURE_FLAGS(ROW) };

static const char *word(bool on)
{
    return on ? "true" : "false";
}

int flags_add(struct job *job)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(flags); i++)
        r = variables_add(&job->variables, flags[i].name, "");
    return r;
}

static bool value_of(struct job *job, json_t *configured, const struct flag *flag)
{
    bool on = flag->initial;

    if (configured && json_object_object_get_ex(configured, flag->name, NULL))
        (void) json_opt_bool(configured, flag->name, &on, NULL);
    else
        on = setting_bool(job, flag->name, flag->initial);
    return on;
}

int flags_resolve(struct job *job)
{
    json_t *configured = NULL;
    int r = 0;

    (void) json_opt_object(job->runner, "feature_flags", &configured, NULL);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(flags); i++) {
        job->flags[i] = value_of(job, configured, &flags[i]);
        r = variables_settle(&job->variables, flags[i].name, word(job->flags[i]));
    }
    return r;
}

void flags_describe(const struct job *job, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (job->flags[i] != flags[i].initial)
            buf_addf(out, "%s%s:%s", out->len > 0 ? ", " : "", flags[i].name, word(job->flags[i]));
}
