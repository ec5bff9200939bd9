/* core/store/past_jobs.c - the look into a ledger of past_jobs.h.
 *
 * Needs no more of the schema than the five columns it names, so an older or newer ledger will do. */
#include "core/store/past_jobs.h"

#include "core/store/internal.h"

struct reading {
    void (*on_job)(void *arg, int64_t received_ms, int64_t duration_ms);
    void *arg;
};

static void take_job(void *arg, sqlite3_stmt *row)
{
    const struct reading *reading = arg;

    reading->on_job(reading->arg, sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1));
}

int past_jobs_each(const char *dir, const char *runner,
                   void (*on_job)(void *arg, int64_t received_ms, int64_t duration_ms), void *arg,
                   struct error *err)
{
    struct reading reading = { on_job, arg };

    return ledger_look(
        dir,
        "SELECT received_ms, finished_ms - assigned_ms FROM jobs WHERE assigned_ms > "
        "0 AND finished_ms >= assigned_ms AND (?1 IS NULL OR runner = ?1) ORDER BY "
        "received_ms, seq",
        runner, take_job, &reading, err);
}
