/* core/supervisor/reload.h - one reading of a changed configuration, for reload.c, which carries it out, and
 * reload_answer.c, which tells of it. */
#pragma once

#include "core/config/diff.h"
#include "core/supervisor/group_parts.h"

struct reload {
    struct supervisor *supervisor;
    bool dry_run;
    bool only_changes;     /* nothing is to be done when it reads as before */
    struct config *config; /* the new one; NULL = it could not be read */
    struct config_changes changes;
    json_t *findings, *instances; /* arrays: sentences; what each runner's scaler would do */
    bool refused;
};

/* Is it the group of an entry? */
bool reload_names(const struct config *config, const struct group *group);
/* What the scalers would decide at once if it held. */
void reload_plan(struct reload *reload);
json_t *reload_answer(const struct reload *reload);
/* Holds at once, and not only from the next start on. */
bool reload_is_live(const struct config_change *change);
