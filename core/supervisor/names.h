/* core/supervisor/names.h - what an operator calls a runner, an instance or a job over the control
 * socket. */
#pragma once

#include "core/supervisor/internal.h"

enum named_kind { NAMED_ANY, NAMED_RUNNER, NAMED_INSTANCE, NAMED_JOB };

struct operator_name {
    enum named_kind kind; /* NAMED_ANY unless it says which by "runner:", "instance:" or "job:" */
    const char *text;     /* without that; borrowed */
};
struct operator_name name_parse(const char *word);
/* The number of a job; 0 when the word can be none. */
int64_t name_job_id(const struct operator_name *name);

/* The request's "name"; `needed` false: its text is NULL when there is none. */
int name_of_request(json_t *request, bool needed, struct operator_name *ret, struct error *err);

struct named {
    struct group *group;
    const struct fleet_instance *instance; /* NULL = the runner itself */
};
/* The runner or the instance of that name. Where several have it, the error says how each is told
 * apart; where none has, which one is near. */
int name_find(struct supervisor *supervisor, const struct operator_name *name, struct named *ret,
              struct error *err);
/* The job of that number, which is not closed: "17", or "RUNNER/17" where several servers have one. 1; 0 when the name is
 * no number of one, or none such is here: then *ret_id is the number, 0 for none. */
int name_find_job(const struct supervisor *supervisor, const struct operator_name *name,
                  struct job **ret, int64_t *ret_id, struct error *err);
/* "no runner, instance or job is called 'x'; did you mean 'y'?" */
int name_unknown(const struct supervisor *supervisor, const struct operator_name *name,
                 const char *kinds, struct error *err);
