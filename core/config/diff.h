/* core/config/diff.h - what differs between two configurations, in words: for the log, and for who reloads.
 *
 * Pure. Entries are one when the ledger knows them as one group; values that may be secret are never shown.
 */
#pragma once

#include "core/base/buf.h"
#include "core/config/config.h"

enum config_change_kind {
    CHANGE_SETTING,
    CHANGE_ENTRY_ADDED,
    CHANGE_ENTRY_REMOVED,
    CHANGE_ENTRY_MOVED, /* the same runner has another instance group now */
};

struct config_change {
    enum config_change_kind kind;
    char *runner;         /* as it is called now; NULL: a setting above all entries */
    char *key;            /* "autoscaler.policy[0].idle_count"; NULL unless a setting */
    char *before, *after; /* NULL: not to be shown */
};

struct config_changes {
    struct config_change *items;
    size_t count;
};

/* -ENOMEM leaves *ret to config_changes_done() all the same. */
int config_diff(const struct config *before, const struct config *after,
                struct config_changes *ret);
/* Two entries alone. */
int config_diff_runner(const struct config_runner *before, const struct config_runner *after,
                       struct config_changes *ret);
void config_changes_done(struct config_changes *changes);

/* Does one begin with this key? */
bool config_changes_have(const struct config_changes *changes, const char *key);
/* "runner 'a': autoscaler.max_instances: 3 → 5" */
void config_change_text(const struct config_change *change, struct buf *out);
