/* core/supervisor/journals.c - keeps the journal of each group's fleet in the ledger, so that
 * `flotilla simulate --replay` can have the same decisions taken again.
 *
 * Lines are gathered and written once a second: no decision waits for them, and what a crash loses of
 * them is the last second of a journal that ends there anyway. */
#include "core/store/journal.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/fleet/journal.h"
#include "core/supervisor/journals.h"

#define LOG_TOPIC "journal"
#include "core/base/log.h"

#define WRITE_AFTER_MS 1000
#define WRITE_LINES 4096 /* or so many of them */
/* So much behind its beginning, and it begins anew, so that the old one can go. */
#define JOURNAL_BYTES (4 << 20)

static void drop_lines(struct journals *journals)
{
    for (size_t i = 0; i < journals->n; i++)
        free(journals->lines[i].text);
    journals->n = 0;
}

/* Whatever is lost: the journals go on with a beginning. */
static void begin_all_anew(struct supervisor *supervisor)
{
    drop_lines(&supervisor->journals);
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        fleet_record(supervisor->groups[i]->fleet, NULL, NULL);
        supervisor->groups[i]->recorded = 0;
    }
}

static bool make_room(struct journals *journals)
{
    size_t cap = journals->cap ? journals->cap * 2 : 64;
    struct journal_line *grown;

    if (journals->n < journals->cap)
        return true;
    grown = mem_resize(journals->lines, cap, sizeof(*grown));
    if (!grown)
        return false;
    journals->lines = grown;
    journals->cap = cap;
    return true;
}

static void take_line(void *arg, const char *text)
{
    struct group *group = arg;
    struct supervisor *supervisor = group->supervisor;
    struct journals *journals = &supervisor->journals;
    char *copy = make_room(journals) ? mem_strdup(text) : NULL;

    group->recorded += strlen(text);
    if (!copy) {
        journals->incomplete = true;
        return;
    }
    if (journals->n == 0)
        journals->write_at_mono = now_mono(supervisor) + WRITE_AFTER_MS;
    journals->lines[journals->n++] = (struct journal_line) { group->id, copy };
}

void journals_begin_turn(struct supervisor *supervisor)
{
    size_t most = (size_t) fault_limit_ms("journal_bytes", JOURNAL_BYTES);

    if (supervisor->disk_short)
        return;
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        struct group *group = supervisor->groups[i];

        if (group->recorded > 0 && group->recorded < most)
            continue;
        fleet_record(group->fleet, take_line, group);
        /* The beginning of a big fleet is long, and must not be what brings the next one. */
        group->recorded = 1;
    }
}

static void write_lines(struct supervisor *supervisor)
{
    struct journals *journals = &supervisor->journals;
    struct error err = { 0 };
    int r = journals->incomplete || supervisor->disk_short
                ? -ENOSPC
                : ledger_add_journal(supervisor->ledger, journals->lines, journals->n, &err);

    if (r == 0) {
        drop_lines(journals);
        return;
    }
    /* No job and no instance hangs on it: a ledger that is broken shows where one does. */
    if (!journals->incomplete && !supervisor->disk_short)
        log_warning("%s; what the scaler was told is not kept for a replay, it is begun anew",
                    err.message);
    journals->incomplete = false;
    begin_all_anew(supervisor);
}

void journals_end_turn(struct supervisor *supervisor)
{
    const struct journals *journals = &supervisor->journals;

    if (journals->n > 0 &&
        (journals->n >= WRITE_LINES || now_mono(supervisor) >= journals->write_at_mono))
        write_lines(supervisor);
}

/* What is kept of groups that nobody has any more would stay for ever. */
void journals_prune(struct supervisor *supervisor)
{
    autofree int64_t *ids = mem_array(supervisor->n_groups + 1, sizeof(*ids));
    struct error err = { 0 };

    if (!ids)
        return; /* the next time */
    for (size_t i = 0; i < supervisor->n_groups; i++)
        ids[i] = supervisor->groups[i]->id;
    if (ledger_keep_journals(supervisor->ledger, ids, supervisor->n_groups, &err) < 0)
        log_warning("%s, ignoring", err.message);
}

void journals_done(struct supervisor *supervisor)
{
    if (supervisor->ledger && supervisor->journals.n > 0)
        write_lines(supervisor);
    drop_lines(&supervisor->journals);
    free(supervisor->journals.lines);
}
