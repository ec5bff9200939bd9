/* tests/unit/fleet/test_properties.c - random histories of a fleet with faults (cloud.h): at each step the properties
 * of properties.c hold, and once the cloud is healthy again every job is served and the fleet comes to rest. One that
 * fails is told by its seed and the shortest number of steps that makes it fail, and then told once more step by step;
 * FLOTILLA_SEED=N runs that one alone. With --full (FLOTILLA_TEST_FULL=1) there are 10,000. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/replay.h"
#include "tests/unit/fleet/manager.h"

#define STEPS 250

static uint64_t below(struct manager *manager, uint64_t bound)
{
    return cloud_below(&manager->cloud, bound);
}

static bool chance(struct manager *manager, unsigned percent)
{
    return cloud_chance(&manager->cloud, percent);
}

static void reload(struct manager *manager, bool drained)
{
    static const int64_t idle_times[] = { 0, 30 * SECOND, 5 * MINUTE, 20 * MINUTE };
    bool heartbeats = chance(manager, 30);
    uint32_t idle = (uint32_t) (chance(manager, 40) ? 0 : below(manager, 5));
    struct fleet_config config = {
        .capacity = (uint32_t) (chance(manager, 50) ? 1 : 1 + below(manager, 4)),
        .max_use_count = (uint32_t) (chance(manager, 40) ? 0 : 1 + below(manager, 6)),
        .max_instances = (uint32_t) (2 + below(manager, 9)),
        .policy = { .idle_count = idle,
                    .idle_time_ms = idle_times[below(manager, ARRAY_LEN(idle_times))],
                    .scale_factor = chance(manager, 30) ? (double) below(manager, 20) / 10 : 0,
                    .scale_factor_limit = (uint32_t) below(manager, 6),
                    .preemptive = chance(manager, 80) ? idle > 0 : idle == 0 },
        .vm_isolation = manager->config.vm_isolation,
        .drained = drained,
        .unthrottled_reservations = chance(manager, 30),
        .failure_threshold = 1 + (uint32_t) below(manager, 3),
        .heartbeat_interval_ms = heartbeats ? 5 * MINUTE : 0,
        .heartbeat_valid_ms = MINUTE,
        .throttle_limit = (int32_t) below(manager, 3) - 1,
        .throttle_burst = (uint32_t) below(manager, 4),
        .minimum_billed_ms = chance(manager, 20) ? HOUR : 0,
        .minimum_life_ms = chance(manager, 20) ? 10 * MINUTE : 0,
        .recycle_ms = manager->config.recycle_ms
    };

    manager_configure(manager, &config);
}

static const char *any_instance(struct manager *manager)
{
    size_t n = fleet_instance_count(manager->fleet);

    return n > 0 ? fleet_instance_at(manager->fleet, below(manager, n))->id : "nobody";
}

static void trouble_an_instance(struct manager *manager)
{
    char id[16];

    (void) str_copy(id, sizeof(id), any_instance(manager));
    switch (below(manager, 10)) {
    case 0:
        fleet_mark_connection_dead(manager->fleet, id);
        break;
    case 1:
        if (fleet_note_crash(manager->fleet, id, manager_now(manager)))
            fleet_mark_removing(manager->fleet, id, REASON_WORKERS_CRASHED, manager_now(manager));
        break;
    case 2:
    case 3:
        if (fleet_note_health(manager->fleet, id, chance(manager, 50)))
            fleet_mark_removing(manager->fleet, id, REASON_UNHEALTHY, manager_now(manager));
        break;
    case 4:
        (void) fleet_drain(manager->fleet, id,
                           chance(manager, 50) ? REASON_DRAINED : REASON_INTERRUPTED, 0);
        break;
    case 5:
        (void) fleet_undrain(manager->fleet, id);
        break;
    case 6:
        fleet_doubt(manager->fleet, id);
        break;
    case 7:
        (void) fleet_hold(manager->fleet, id, manager_now(manager) + 60000);
        break;
    case 8:
        (void) fleet_release_hold(manager->fleet, id);
        break;
    default:
        fleet_mark_removing(manager->fleet, id, REASON_BY_HAND, manager_now(manager));
        break;
    }
}

static void end_jobs(struct manager *manager)
{
    for (size_t i = 0; i < manager->n_work;) {
        const struct work *work = &manager->work[i];

        if (!work->waits && manager->now >= work->ends_ms)
            manager_end_job(manager, i);
        else
            i++;
    }
}

/* Polls end with a job or without one. */
static void poll_for_jobs(struct manager *manager, unsigned busy)
{
    for (uint32_t open = manager->reserved; open > 0; open--) {
        if (chance(manager, busy))
            manager_job_arrives(manager, true);
        else if (chance(manager, 30)) {
            fleet_unreserve(manager->fleet);
            manager->reserved--;
        }
    }
    if (chance(manager, 60))
        (void) manager_reserve(manager);
}

/* Nothing comes for a while; lists do. */
static void wait_a_while(struct manager *manager)
{
    for (uint64_t minutes = below(manager, 20); minutes > 0 && !*manager->failure; minutes--) {
        manager->now += MINUTE;
        end_jobs(manager);
        manager_evaluate(manager);
    }
}

static void step(struct manager *manager, bool clock_jumps)
{
    manager->now += 1 + (int64_t) below(manager, chance(manager, 70) ? 3 * SECOND : MINUTE);
    if (chance(manager, 5))
        wait_a_while(manager);
    if (clock_jumps && chance(manager, 2))
        manager->skew += ((int64_t) below(manager, 120) - 10) * MINUTE;
    cloud_tick(&manager->cloud, manager->now);
    end_jobs(manager);
    poll_for_jobs(manager, 40);
    if (manager->n_work > 0 && chance(manager, 2))
        manager_end_job(manager, below(manager, manager->n_work));
    if (manager->n_work < 20 && chance(manager, 3))
        manager_job_arrives(manager, false);
    if (chance(manager, 5))
        trouble_an_instance(manager);
    if (chance(manager, 2))
        reload(manager, chance(manager, 20));
    if (chance(manager, 2))
        manager_restart(manager);
    /* In the midst of it; without a draw, so that histories are what they were. */
    if (manager->now % 25 == 0)
        manager_begin_journal(manager);
    manager_evaluate(manager);
}

/* Heartbeats pass from now on. */
static void heal(struct manager *manager)
{
    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++)
        (void) fleet_note_health(manager->fleet, fleet_instance_at(manager->fleet, i)->id, true);
}

/* The cloud is healthy: who waits is served, new jobs too. */
static void serve_everybody(struct manager *manager)
{
    int64_t until = manager->now + 6 * HOUR;
    int new_jobs = 3;

    manager->cloud.faults = 0;
    reload(manager, false);
    while (!*manager->failure && (manager->n_work > 0 || new_jobs > 0) && manager->now < until) {
        manager->now += 10 * SECOND;
        heal(manager);
        end_jobs(manager);
        if (new_jobs > 0 && chance(manager, 10)) {
            manager_job_arrives(manager, false);
            new_jobs--;
        }
        manager_evaluate(manager);
    }
    manager_check(manager, manager->n_work == 0, "%zu jobs were not served within six hours",
                  manager->n_work);
}

/* No demand: the fleet reaches its idle target, and then nothing changes. */
static void come_to_rest(struct manager *manager)
{
    for (; manager->reserved > 0; manager->reserved--)
        fleet_unreserve(manager->fleet);
    for (int i = 0; i < 360 && !*manager->failure; i++) {
        manager->now += 30 * SECOND;
        heal(manager);
        manager_evaluate(manager);
    }
    check_rest(manager);
    for (int i = 0; i < 240 && !*manager->failure; i++) {
        manager->now += 30 * SECOND;
        manager_evaluate(manager);
        manager_check(manager, manager->changes == 0, "no rest: %u changes", manager->changes);
    }
    manager_check(manager, *manager->failure || !fleet_expecting(manager->fleet),
                  "lists are still asked for at the fast interval");
}

/* Every decision is the same again from what the fleet was told (replay.h). */
static void check_replay(struct manager *manager)
{
    auto_ptr(replay_free) struct replay *replay = NULL;
    struct error err = { 0 };
    uint64_t lines = 0, decisions = 0;
    char *line = manager->journal.data, *end;

    assert_int_equal(replay_new(&replay), 0);
    for (; *line && (end = strchr(line, '\n')) && !*manager->failure; line = end + 1) {
        *end = '\0';
        manager_check(manager, replay_line(replay, line, &err) == 0, "replay of '%.80s': %.150s",
                      line, err.message);
    }
    replay_count(replay, &lines, &decisions);
    manager_check(manager, decisions > 0, "only %" PRIu64 " decisions in %" PRIu64 " lines",
                  decisions, lines);
}

/* True when all properties held; else `why` says which did not. */
static bool run_history(uint64_t seed, int steps, bool verbose, char *why, size_t size)
{
    struct manager manager;
    bool clock_jumps;

    manager_init(&manager, seed);
    manager.verbose = verbose;
    manager.config.vm_isolation = chance(&manager, 25);
    manager.cloud.faults = chance(&manager, 10) ? 0 : (unsigned) below(&manager, CLOUD_FAULTS + 1);
    manager.honest = !(manager.cloud.faults & (CLOUD_LIES | CLOUD_GIVES));
    clock_jumps = chance(&manager, 30);
    manager.config.recycle_ms = chance(&manager, 20) ? 10 * MINUTE : 0;
    reload(&manager, false);
    for (int i = 0; i < steps && !*manager.failure; i++)
        step(&manager, clock_jumps);
    if (!*manager.failure)
        serve_everybody(&manager);
    if (!*manager.failure)
        come_to_rest(&manager);
    if (!*manager.failure)
        check_replay(&manager);
    (void) str_copy(why, size, manager.failure);
    manager_done(&manager);
    return *why == '\0';
}

/* What happens in a history's first steps does not depend on how many there are. */
static void tell_shortest(uint64_t seed)
{
    char why[300];
    int steps = 0;

    while (steps < STEPS && run_history(seed, steps, false, why, sizeof(why)))
        steps++;
    (void) run_history(seed, steps, true, why, sizeof(why));
    fail_msg("FLOTILLA_SEED=%" PRIu64 ", %d steps: %s", seed, steps, why);
}

static void test_properties_hold_over_random_histories(void **state)
{
    const char *given = getenv("FLOTILLA_SEED"), *full = getenv("FLOTILLA_TEST_FULL");
    int64_t first = 1, n = full && str_eq(full, "1") ? 10000 : 200;
    char why[300];

    (void) state;
    if (given) {
        assert_int_equal(parse_i64(given, 0, INT64_MAX, &first), 0);
        n = 1;
    }
    for (int64_t seed = first; seed < first + n; seed++)
        if (!run_history((uint64_t) seed, STEPS, false, why, sizeof(why)))
            tell_shortest((uint64_t) seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties_hold_over_random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
