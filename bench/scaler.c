/* bench/scaler.c - what a decision of the scaler costs, as one JSON object on stdout.
 *
 * Usage: scaler [DECISIONS]. Fleets of 100 to 10,000 instances with 5 slots each, four fifths of them
 * busy. Between two decisions 1, 10 or 100 jobs end and as many come and are given slots.
 * `decision_us` is one scaler_plan(), `change_us` one job's end, arrival and slot, `round_ms` all
 * changes and the decision after them. `kept_ms` is a decision while every instance is idle, not
 * wanted and kept because it is paid for, `all_go_ms` one that lets all of them go: these two grow
 * with the fleet, as there is something to say of each. `list_ms` is a whole list taken in. The best
 * of five counts for these.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/fleet/scaler.h"

#define SLOTS 5
#define BUSY 4
#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)

struct load {
    struct fleet *fleet;
    struct rng_seeded random;
    uint32_t n_instances;
    int64_t *jobs; /* that hold slots */
    size_t n_jobs;
    int64_t seq, now;
};

static double seconds_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double best_of(double a, double b)
{
    return a < b ? a : b;
}

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void name_instance(uint32_t i, char id[32])
{
    (void) snprintf(id, 32, "i-%016llx", i * 11400714819323198485ULL);
}

static void make_fleet(struct load *load, const struct fleet_config *config, uint32_t n)
{
    *load = (struct load) { .n_instances = n, .now = NOW };
    rng_seed(&load->random, 1);
    load->jobs = mem_array((size_t) n * SLOTS, sizeof(*load->jobs));
    need(load->jobs && fleet_new(config, &load->fleet) == 0);
    for (uint32_t i = 0; i < n; i++) {
        struct fleet_instance saved = { .state = INSTANCE_RUNNING,
                                        .first_seen_ms = NOW - HOUR,
                                        .ready_ms = NOW - HOUR,
                                        .idle_since_ms = NOW - 30 * 60000 + i };

        name_instance(i, saved.id);
        need(fleet_restore(load->fleet, &saved) == 0);
    }
}

static void drop_fleet(struct load *load)
{
    fleet_free(load->fleet);
    free(load->jobs);
}

static void start_job(struct load *load)
{
    const struct fleet_instance *instance;
    uint32_t slot;

    need(fleet_wait(load->fleet, ++load->seq, false) == 0);
    need(fleet_assign_next(load->fleet, load->now, &load->jobs[load->n_jobs++], &instance, &slot) ==
         1);
}

static void end_job(struct load *load)
{
    size_t which = (size_t) rng_below(&load->random.rng, load->n_jobs);

    fleet_release(load->fleet, load->jobs[which], load->now);
    load->jobs[which] = load->jobs[--load->n_jobs];
}

static double decide(struct load *load)
{
    struct scaler_plan plan = { 0 };
    double begin = seconds_now();

    need(scaler_plan(load->fleet, load->now, 1, &plan) == 0);
    begin = seconds_now() - begin;
    scaler_plan_done(&plan);
    return begin;
}

static void measure_rounds(uint32_t n, unsigned changes, unsigned decisions)
{
    const struct fleet_config config = {
        .capacity = SLOTS, .max_instances = n, .policy.idle_count = n, .policy.idle_time_ms = HOUR
    };
    double begin, all = 0, deciding = 0;
    struct load load;

    make_fleet(&load, &config, n);
    for (uint32_t i = 0; i < n * BUSY; i++)
        start_job(&load);
    for (unsigned i = 0; i < decisions; i++) {
        load.now += 1000;
        begin = seconds_now();
        for (unsigned k = 0; k < changes; k++) {
            end_job(&load);
            start_job(&load);
        }
        deciding += decide(&load);
        all += seconds_now() - begin;
    }
    (void) printf("{\"instances\":%u,\"slots\":%u,\"changes\":%u,\"decision_us\":%.2f,"
                  "\"change_us\":%.2f,\"round_ms\":%.4f}",
                  n, n * SLOTS, changes, deciding / decisions * 1e6,
                  (all - deciding) / decisions / changes * 1e6, all / decisions * 1e3);
    (void) fflush(stdout);
    drop_fleet(&load);
}

static double decide_on_idle(uint32_t n, int64_t minimum_life_ms)
{
    const struct fleet_config config = { .capacity = SLOTS,
                                         .max_instances = n,
                                         .minimum_life_ms = minimum_life_ms };
    struct load load;
    double seconds;

    make_fleet(&load, &config, n);
    seconds = decide(&load);
    for (int i = 0; i < 4; i++)
        seconds = best_of(seconds, decide(&load));
    drop_fleet(&load);
    return seconds;
}

static void ignore(void *arg, const struct fleet_change *change)
{
    (void) arg;
    (void) change;
}

static double take_list(uint32_t n)
{
    const struct fleet_config config = { .capacity = SLOTS, .max_instances = n };
    struct fleet_listed *listed = mem_array(n, sizeof(*listed));
    char(*ids)[32] = mem_array(n, sizeof(*ids));
    struct load load;
    double begin, best = 1e9;

    need(listed && ids);
    make_fleet(&load, &config, n);
    for (uint32_t i = 0; i < n; i++) {
        name_instance(i, ids[i]);
        listed[i] = (struct fleet_listed) { .id = ids[i], .state = INSTANCE_RUNNING };
    }
    for (int i = 0; i < 5; i++) {
        begin = seconds_now();
        need(fleet_on_list(load.fleet, NOW, listed, n, true, ignore, NULL, NULL) == 0);
        best = best_of(best, seconds_now() - begin);
    }
    drop_fleet(&load);
    free(ids);
    free(listed);
    return best;
}

int main(int argc, char **argv)
{
    static const uint32_t fleets[] = { 100, 300, 1000, 3000, 10000 };
    static const unsigned changes[] = { 1, 10, 100 };
    int64_t decisions = 2000;

    if (argc > 1 && parse_i64(argv[1], 1, 1000000, &decisions) < 0) {
        (void) fprintf(stderr, "usage: scaler [DECISIONS]\n");
        return 2;
    }
    (void) printf("{\"decisions\":%lld,\"rounds\":[\n", (long long) decisions);
    for (size_t i = 0; i < ARRAY_LEN(fleets) * ARRAY_LEN(changes); i++) {
        measure_rounds(fleets[i / ARRAY_LEN(changes)], changes[i % ARRAY_LEN(changes)],
                       (unsigned) decisions);
        (void) printf("%s\n", i + 1 < ARRAY_LEN(fleets) * ARRAY_LEN(changes) ? "," : "],");
    }
    (void) printf("\"whole_fleet\":[\n");
    for (size_t i = 0; i < ARRAY_LEN(fleets); i++)
        (void) printf("{\"instances\":%u,\"kept_ms\":%.3f,\"all_go_ms\":%.3f,\"list_ms\":%.3f}%s\n",
                      fleets[i], decide_on_idle(fleets[i], 24 * HOUR) * 1e3,
                      decide_on_idle(fleets[i], 0) * 1e3, take_list(fleets[i]) * 1e3,
                      i + 1 < ARRAY_LEN(fleets) ? "," : "]}");
    return 0;
}
