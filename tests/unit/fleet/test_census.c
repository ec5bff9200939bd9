/* tests/unit/fleet/test_census.c - mirrors core/fleet/census.c and sorted.c: what is kept while the fleet changes is
 * what a recount finds, after any history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/fleet/sorted.h"
#include "tests/unit/fleet/fixture.h"
#include "tests/unit/fleet/recount.h"

enum { IDS = 24, STEPS = 400, HISTORIES = 150 };

struct history {
    struct fleet *fleet;
    struct rng_seeded random;
    struct fleet_config config;
    int64_t now, seq;
    char ids[IDS][8];
    bool there[IDS];
};

static uint32_t below(struct history *history, uint32_t n)
{
    return (uint32_t) rng_below(&history->random.rng, n);
}

static const char *some_id(struct history *history)
{
    return history->ids[below(history, IDS)];
}

static int64_t some_seq(struct history *history)
{
    return history->seq > 0 ? 1 + (int64_t) below(history, (uint32_t) history->seq) : 0;
}

static void take_list(struct history *history)
{
    static const struct fleet_instance formers[] = {
        { .cause = CAUSE_REQUESTED, .uses = 1 },
        { .cause = CAUSE_FOREIGN },
        { .cause = CAUSE_UNEXPECTED, .removing = true, .remove_reason = REASON_USES_SPENT },
    };
    struct fleet_listed listed[IDS];
    size_t n = 0;

    for (size_t i = 0; i < IDS; i++) {
        history->there[i] = below(history, 8) == 0 ? !history->there[i] : history->there[i];
        if (!history->there[i])
            continue;
        listed[n] = (struct fleet_listed) { .id = history->ids[i], .state = INSTANCE_RUNNING };
        if (below(history, 5) == 0)
            listed[n].state = (enum instance_state) below(history, INSTANCE_RESUMING + 1);
        if (below(history, 4) == 0)
            listed[n].former = &formers[below(history, ARRAY_LEN(formers))];
        listed[n].returns = below(history, 2) == 0;
        n++;
    }
    assert_int_equal(fleet_on_list(history->fleet, history->now, listed, n, below(history, 4) != 0,
                                   ignore, NULL, NULL),
                     0);
}

static void make_orders(struct history *history)
{
    uint32_t n = below(history, 4);

    fleet_request(history->fleet, n, history->now);
    if (below(history, 3) == 0)
        fleet_cancel_requests(history->fleet, below(history, 3));
    else if (below(history, 3) == 0)
        fleet_on_increase_unanswered(history->fleet, fleet_requested(history->fleet));
    else
        fleet_on_increase(history->fleet, history->now, fleet_requested(history->fleet),
                          below(history, n + 2));
}

static void hand_out(struct history *history)
{
    const struct fleet_instance *instance = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    for (uint32_t i = below(history, 4); i > 0; i--)
        assert_int_equal(fleet_wait(history->fleet, ++history->seq, below(history, 2) == 0), 0);
    while (below(history, 5) != 0 &&
           fleet_assign_next(history->fleet, history->now, &seq, &instance, &slot) == 1)
        assert_int_equal(instance->slots[slot].seq, seq);
}

static void end_jobs(struct history *history)
{
    for (uint32_t i = below(history, 6); i > 0; i--)
        fleet_release(history->fleet, some_seq(history), history->now);
    fleet_stop_waiting(history->fleet, some_seq(history));
    (void) fleet_occupy(history->fleet, some_id(history), below(history, 6), ++history->seq, NULL);
    if (below(history, 4) == 0) /* one that has a place, perhaps */
        (void) fleet_occupy(history->fleet, some_id(history), 0, some_seq(history), NULL);
}

static void remove_some(struct history *history)
{
    const char *ids[3];
    size_t n;

    fleet_mark_removing(history->fleet, some_id(history),
                        below(history, 5) == 0 ? REASON_SHUTDOWN : REASON_IDLE_TOO_LONG,
                        history->now);
    n = fleet_removable(history->fleet, history->now, 3000, ids, ARRAY_LEN(ids));
    for (size_t i = 0; i < n; i++)
        if (below(history, 3) != 0)
            fleet_on_removal_accepted(history->fleet, ids[i], history->now);
}

static void disturb(struct history *history)
{
    switch (below(history, 11)) {
    case 0:
        fleet_mark_connection_dead(history->fleet, some_id(history));
        break;
    case 1:
        (void) fleet_drain(history->fleet, some_id(history),
                           below(history, 2) ? REASON_DRAINED : REASON_INTERRUPTED, 0);
        break;
    case 2:
        (void) fleet_undrain(history->fleet, some_id(history));
        break;
    case 3:
        (void) fleet_note_health(history->fleet, some_id(history), below(history, 2) == 0);
        break;
    case 4:
        fleet_count_use(history->fleet, some_id(history));
        break;
    case 5:
        (void) fleet_next_heartbeat(history->fleet, history->now);
        break;
    case 6:
        fleet_heartbeat_ended(history->fleet, some_id(history), below(history, 2) == 0,
                              history->now);
        break;
    case 7:
        fleet_doubt(history->fleet, some_id(history));
        break;
    case 8:
        (void) fleet_hold(history->fleet, some_id(history), history->now + 1000);
        break;
    case 9:
        (void) fleet_release_hold(history->fleet, some_id(history));
        break;
    default:
        (void) fleet_reserve(history->fleet, history->now, NULL);
        break;
    }
}

static void become_ready(struct history *history)
{
    const struct fleet_instance *instance = fleet_next_unready(history->fleet, NULL);

    fleet_mark_ready(history->fleet, instance ? instance->id : some_id(history), history->now);
}

static void reconfigure(struct history *history)
{
    history->config.capacity = 1 + below(history, 4);
    history->config.max_use_count = below(history, 5);
    history->config.max_instances = 1 + below(history, IDS);
    history->config.vm_isolation = below(history, 3) == 0;
    history->config.heartbeat_interval_ms = below(history, 3) * 4000;
    history->config.heartbeat_valid_ms = 3000;
    history->config.policy.idle_count = below(history, 6);
    history->config.policy.idle_time_ms = below(history, 4) * 1000;
    history->config.minimum_life_ms = below(history, 2) * 4000;
    assert_int_equal(fleet_configure(history->fleet, &history->config), 0);
}

static void carry_out_plan(struct history *history)
{
    struct scaler_plan plan = { 0 };

    assert_int_equal(scaler_plan(history->fleet, history->now, 1, &plan), 0);
    fleet_request(history->fleet, plan.request, history->now);
    fleet_cancel_requests(history->fleet, plan.cancel);
    for (size_t i = 0; i < plan.n_removals; i++)
        fleet_mark_removing(history->fleet, plan.removals[i].id, plan.removals[i].reason,
                            history->now);
    scaler_plan_done(&plan);
}

static const struct {
    const char *name;
    void (*act)(struct history *history);
} acts[] = {
    { "a list", take_list },
    { "orders", make_orders },
    { "slots handed out", hand_out },
    { "jobs that end", end_jobs },
    { "removals", remove_some },
    { "a disturbance", disturb },
    { "a ready gate", become_ready },
    { "a plan", carry_out_plan },
    { "a configuration", reconfigure },
};

static void begin(struct history *history, uint64_t seed)
{
    *history = (struct history) {
        .now = NOW, .config = { .capacity = 2, .max_instances = 10, .pending_limit_ms = 20000 }
    };
    rng_seed(&history->random, seed);
    assert_int_equal(fleet_new(&history->config, &history->fleet), 0);
    for (size_t i = 0; i < IDS; i++)
        (void) snprintf(history->ids[i], sizeof(history->ids[i]), "i-%zu", i * 7 % IDS);
    for (size_t i = 0; i < IDS / 4; i++) {
        restore(history->fleet, history->ids[i],
                (struct fleet_instance) { .uses = below(history, 3),
                                          .cause = (enum instance_cause) below(history, 4),
                                          .removing = below(history, 4) == 0 });
        history->there[i] = true;
    }
}

static void test_what_is_kept_is_what_a_recount_finds(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct history history;

        begin(&history, seed);
        for (int i = 0; i < STEPS; i++) {
            size_t which = below(&history, ARRAY_LEN(acts) * 4 - 3); /* configurations are rare */
            char when[80];

            which = which == ARRAY_LEN(acts) * 4 - 4 ? ARRAY_LEN(acts) - 1
                                                     : which % (ARRAY_LEN(acts) - 1);
            history.now += below(&history, 3000);
            acts[which].act(&history);
            (void) snprintf(when, sizeof(when), "seed %u, step %d, after %s", (unsigned) seed, i,
                            acts[which].name);
            recount(history.fleet, when);
        }
        fleet_free(history.fleet);
    }
}

enum { NODES = 3000 };

struct row {
    struct sorted_node *last;
    size_t n;
};

static bool next_is_larger(void *item, void *arg)
{
    struct row *row = arg;
    struct sorted_node *node = item;

    assert_true(!row->last || row->last->key[0] < node->key[0] ||
                (row->last->key[0] == node->key[0] && row->last->key[1] < node->key[1]));
    row->last = node;
    row->n++;
    return true;
}

static size_t depth(const struct sorted_node *node)
{
    return node ? 1 + MAX(depth(node->left), depth(node->right)) : 0;
}

/* In rising order a plain tree would be a list. */
static void test_what_is_sorted_stays_in_order_and_flat(void **state)
{
    struct sorted_node *nodes = mem_array(NODES, sizeof(*nodes));
    struct sorted sorted = { 0 };
    struct row row = { 0 };

    (void) state;
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct sorted_node) { .key = { (int64_t) (i / 2), (int64_t) (i % 2) },
                                          .item = &nodes[i] };
        sorted_insert(&sorted, &nodes[i]);
    }
    assert_true(depth(sorted.root) < 50);
    assert_ptr_equal(sorted_first(&sorted), &nodes[0]);
    for (size_t i = 0; i < NODES; i += 3)
        sorted_remove(&sorted, &nodes[i]);
    for (size_t i = 0; i < NODES; i++)
        assert_ptr_equal(sorted_find(&sorted, &(struct sorted_node) { .key = { nodes[i].key[0],
                                                                               nodes[i].key[1] } }),
                         i % 3 == 0 ? NULL : &nodes[i]);
    sorted_walk(&sorted, next_is_larger, &row);
    assert_int_equal(row.n, NODES - NODES / 3);
    for (size_t i = 1; i + 3 < NODES; i += 3) {
        assert_ptr_equal(sorted_after(&sorted, &nodes[i]), &nodes[i + 1]);
        assert_ptr_equal(sorted_after(&sorted, &nodes[i + 1]), &nodes[i + 3]);
    }
    assert_null(sorted_after(&sorted, &nodes[NODES - 1]));
    assert_int_equal(sorted.n, row.n);
    free(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept_is_what_a_recount_finds),
        cmocka_unit_test(test_what_is_sorted_stays_in_order_and_flat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
