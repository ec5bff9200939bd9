/* core/cli/simulate_jobs.c - the jobs of `flotilla simulate`: from a file, from the ledger, made up. */
#include <errno.h>
#include <fcntl.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/control_client.h"
#include "core/cli/simulate.h"
#include "core/store/past_jobs.h"

#define FILE_MAX_BYTES ((size_t) 1 << 30)
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

static int read_file(const struct simulate_options *options, struct workload *workload,
                     struct error *err)
{
    autobuf struct buf text = { .max = FILE_MAX_BYTES };
    int r = fs_read_file(AT_FDCWD, options->jobs, FILE_MAX_BYTES, &text, err);

    return r < 0 ? r : workload_read_csv(workload, buf_str(&text), text.len, options->jobs, err);
}

struct past {
    struct workload *workload;
    int error;
};

static void add_past(void *arg, int64_t received_ms, int64_t duration_ms)
{
    struct past *past = arg;

    if (past->error == 0)
        past->error = workload_add(past->workload, received_ms, duration_ms);
}

static int read_history(const struct simulate_options *options, struct workload *workload,
                        struct error *err)
{
    autofree char *dir = control_state_dir(options->state_dir, options->configs[0], err);
    struct past past = { .workload = workload };
    int r;

    if (!dir)
        return -EINVAL;
    r = past_jobs_each(dir, options->runner, add_past, &past, err);
    if (r == 0 && workload->n == 0)
        return error_set(err, -ENOENT, "the ledger of %s remembers no job that ended", dir);
    return r < 0 ? r : past.error;
}

/* Each generator has its own source of chance: what one draws is the same without the others. */
static void seed_for(const struct simulate_options *options, const char *what,
                     struct rng_seeded *ret)
{
    uint64_t seed = options->seed;

    for (; *what; what++)
        seed = seed * 31 + (unsigned char) *what;
    rng_seed(ret, seed);
}

static int make_up(const struct simulate_options *options, struct workload *workload)
{
    struct rng_seeded rng;
    int r = 0;

    seed_for(options, "poisson", &rng);
    if (options->poisson > 0)
        r = workload_poisson(workload, options->poisson, options->poisson_ms, &options->duration,
                             &rng.rng);
    seed_for(options, "daily", &rng);
    if (r == 0 && options->wave.peak > 0)
        r = workload_daily(workload, &options->wave, &options->duration, &rng.rng);
    seed_for(options, "burst", &rng);
    for (size_t i = 0; r == 0 && i < options->n_bursts; i++)
        r = workload_burst(workload, options->bursts[i].n,
                           workload->begin_ms + options->bursts[i].at_ms, &options->duration,
                           &rng.rng);
    return r;
}

/* The time that is simulated, as far as it is known before the jobs are. */
static void set_time(const struct simulate_options *options, struct workload *workload)
{
    bool recorded = options->jobs || options->history;
    int64_t period = options->period_ms;

    workload->begin_ms = options->start_ms;
    if (workload->begin_ms == 0 && !recorded)
        workload->begin_ms = WORKLOAD_BEGIN_MS;
    if (period == 0 && options->poisson > 0)
        period = options->poisson_ms;
    if (period == 0 && options->wave.peak > 0)
        period = WEEK_MS;
    if (period > 0 && workload->begin_ms != 0)
        workload->end_ms = workload->begin_ms + period;
}

int simulate_read_jobs(const struct simulate_options *options, struct workload *ret,
                       struct error *err)
{
    int r = 0;

    set_time(options, ret);
    if (options->jobs)
        r = read_file(options, ret, err);
    if (r == 0 && options->history)
        r = read_history(options, ret, err);
    if (r < 0)
        return r;
    r = make_up(options, ret);
    if (r < 0)
        return error_set(err, r, "there are too many jobs");
    return workload_finish(ret, err);
}
