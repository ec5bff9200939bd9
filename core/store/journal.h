/* core/store/journal.h - the journals of fleets in the ledger (core/fleet/journal.h). */
#pragma once

#include "core/store/ledger.h"

struct journal_line {
    int64_t group_id;
    char *text;
};
/* All of them, in one transaction. Of each group the journal that runs and the one before it are kept. */
int ledger_add_journal(struct ledger *ledger, const struct journal_line *lines, size_t n,
                       struct error *err);

/* Those of all other groups go. */
int ledger_keep_journals(struct ledger *ledger, const int64_t *group_ids, size_t n,
                         struct error *err);

/* Calls back for each line, group by group, in the order in which they were written; `key` says whose
 * group it is. Reads only, beside a manager that may be writing. */
typedef void (*journal_fn)(void *arg, int64_t group_id, const char *key, const char *line);
int journal_each(const char *dir, journal_fn fn, void *arg, struct error *err);
