/* tests/unit/simulate/test_engine.c - mirrors core/simulate/engine.c and cycle.c: what a run does with
 * jobs, instances, failures and money. */
#include "core/base/mem.h"
#include "tests/unit/simulate/fixture.h"

#define BEGIN WORKLOAD_BEGIN_MS

static void add_job(struct workload *workload, int64_t after_ms, int64_t duration_ms)
{
    assert_int_equal(workload_add(workload, BEGIN + after_ms, duration_ms), 0);
}

static void add_poisson(struct workload *workload, double n, int64_t period_ms,
                        struct distribution duration, uint64_t seed)
{
    struct rng_seeded rng;

    rng_seed(&rng, seed);
    assert_int_equal(workload_poisson(workload, n, period_ms, &duration, &rng.rng), 0);
}

static struct workload week(void)
{
    return (struct workload) { .begin_ms = BEGIN, .end_ms = BEGIN + 7 * DAY };
}

/* Each wait of a queue with c servers, first come first served, job by job: who comes gets the server
 * that is free first. No theory and no chance: the engine must say the same to the millisecond. */
static void exact_waits(const struct workload *workload, size_t servers, int64_t *ret)
{
    int64_t free_at[64] = { 0 };

    for (size_t i = 0; i < workload->n; i++) {
        const struct workload_job *job = &workload->jobs[i];
        size_t first = 0;

        for (size_t k = 1; k < servers; k++)
            if (free_at[k] < free_at[first])
                first = k;
        ret[i] = MAX(free_at[first] - job->arrival_ms, (int64_t) 0);
        free_at[first] = job->arrival_ms + ret[i] + job->duration_ms;
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}

static void test_every_wait_is_that_of_the_queue(void **unused)
{
    static const struct {
        int64_t servers;
        double load;
    } rows[] = { { 1, 0.5 }, { 3, 2.4 }, { 20, 18 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = { .begin_ms = BEGIN, .end_ms = BEGIN + 8 * DAY };
        struct setting setting;
        struct result result;
        int64_t *exact;
        size_t n;

        begin_setting(&setting, rows[i].servers, 1, rows[i].servers, HOUR);
        setting.engine.cloud.boot = fixed(0);
        workload.begin_ms += HOUR; /* no job before the fleet is there */
        add_poisson(&workload, rows[i].load * 6 * 24, DAY,
                    (struct distribution) { DISTRIBUTION_EXPONENTIAL, 10 * MINUTE, 0 }, i);
        workload.begin_ms -= HOUR;
        workload.end_ms += DAY; /* nobody waits at the end */
        assert_int_equal(workload_finish(&workload, NULL), 0);
        n = workload.n;
        exact = mem_array(n, sizeof(*exact));
        assert_non_null(exact);
        exact_waits(&workload, (size_t) rows[i].servers, exact);
        qsort(exact, n, sizeof(*exact), compare_times);
        result = run_setting(&setting, &workload);
        assert_int_equal(result.n_waits, n);
        assert_memory_equal(result.waits_ms, exact, n * sizeof(*exact));
        free(exact);
        result_done(&result);
    }
}

/* What a job waits for that needs an instance: the boot until a list shows it, and the gate. */
static void test_a_job_waits_for_boot_list_and_gate(void **unused)
{
    static const struct {
        const char *why;
        int64_t boot_ms, lag_ms, call_ms, gate_ms, want_ms;
    } rows[] = {
        { "lists are read each 2 s", 40000, 0, 0, 0, 40000 },
        { "the next list shows it", 39001, 0, 0, 0, 40000 },
        { "the gate comes after", 40000, 0, 0, 5000, 45000 },
        { "lists lag behind", 40000, 7000, 0, 5000, 53000 },
        { "order and list take a call", 10000, 0, 500, 0, 11000 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 3, 1, 0, HOUR);
        setting.engine.cloud.boot = fixed(rows[i].boot_ms);
        setting.engine.cloud.gate = fixed(rows[i].gate_ms);
        setting.engine.cloud.list_lag_ms = rows[i].lag_ms;
        setting.engine.cloud.call_ms = rows[i].call_ms;
        add_job(&workload, HOUR, MINUTE);
        result = run_setting(&setting, &workload);
        if (result_wait_ms(&result, 1) != rows[i].want_ms)
            fail_msg("%s: waited %lld ms", rows[i].why, (long long) result_wait_ms(&result, 1));
        result_done(&result);
    }
}

static void test_an_instance_is_kept_for_its_idle_time(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 3, 1, 0, 20 * MINUTE);
    setting.engine.cloud.price_micros_hour = 3600000;
    add_job(&workload, HOUR, 10 * MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.use_ms[USE_BOOTING], 40 * SECOND);
    assert_int_equal(result.use_ms[USE_BUSY], 10 * MINUTE);
    assert_int_equal(result.use_ms[USE_IDLE], 20 * MINUTE);
    assert_int_equal(result.use_ms[USE_GOING], 10 * SECOND);
    assert_int_equal(result.removals[REASON_IDLE_TOO_LONG], 1);
    assert_int_equal(result.created, 1);
    /* Until it was told to go, at a thousandth of the price a second. */
    assert_int_equal(result.billed_ms, 30 * MINUTE + 40 * SECOND);
    assert_int_equal(result.cost_micros, 1000 * result.billed_ms / 1000);
    result_done(&result);
}

/* The cloud makes two of five and none of the rest: it has no more. */
static void test_an_order_that_is_taken_in_part_has_failed(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 5, 1, 5, HOUR);
    setting.engine.cloud.capacity = 2;
    workload.end_ms = workload.begin_ms + 500; /* before the next order */
    add_job(&workload, HOUR, MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.created, 2);
    assert_int_equal(result.orders, 1);
    assert_int_equal(result.failed_orders, 1);
    result_done(&result);
}

/* The second job comes when the host of the first one's instance is still being cleaned. */
static void test_a_place_comes_back_late(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 1, 1, 0, 0);
    setting.engine.cloud.capacity = 1;
    setting.engine.cloud.recycle_ms = 2 * HOUR;
    setting.autoscaler.max_use_count = 1;
    setting.autoscaler.instance_acquire_timeout_ms = 4 * HOUR;
    add_job(&workload, HOUR, 10 * MINUTE);
    add_job(&workload, HOUR + 30 * MINUTE, 10 * MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.created, 2);
    assert_int_equal(result.failed_orders, 0);
    /* Gone at 1:10:50, seen at the next list, back two hours after that, and then it boots. */
    assert_in_range(result_wait_ms(&result, 1), 100 * MINUTE, 103 * MINUTE);
    result_done(&result);
}

/* One in ten, within four deviations of a thousand orders. */
static void test_orders_fail_as_often_as_told(void **unused)
{
    const struct cloud_model model = { .fail_rate = 0.1 };
    struct cloud cloud;
    int failed = 0;

    cloud_init(&cloud, &model, 1);
    for (int i = 0; i < 1000; i++)
        failed += cloud_order(&cloud, BEGIN, 1) == 0;
    cloud_done(&cloud);
    assert_in_range(failed, 100 - 38, 100 + 38);
}

static void test_a_price_beyond_all_bounds_stays_the_highest(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 20, 1, 0, 5 * MINUTE);
    setting.engine.cloud.price_micros_hour = INT64_C(1000000000000);
    setting.engine.cloud.billed_unit_ms = 36500 * DAY;
    for (int i = 0; i < 20; i++)
        add_job(&workload, HOUR, 10 * MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.created, 20);
    assert_int_equal(result.billed_ms, 20 * 36500 * DAY);
    assert_true(result.cost_micros == INT64_MAX);
    result_done(&result);
}

/* What is paid for anyway is kept, as long as the daemon would: until a minute of the hour is left. */
static void test_what_the_configuration_names_is_charged(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 3, 1, 0, 5 * MINUTE);
    setting.engine.cloud.price_micros_hour = 9000000;
    setting.autoscaler.instance_price = 2;
    setting.autoscaler.instance_minimum_billed_ms = HOUR;
    add_job(&workload, HOUR, 10 * MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.use_ms[USE_IDLE], HOUR - 10 * MINUTE - 40 * SECOND - MINUTE);
    assert_int_equal(result.billed_ms, HOUR);
    assert_int_equal(result.cost_micros, 2000000);
    assert_int_equal(result.price_micros_hour, 2000000);
    result_done(&result);
}

static void test_slots_and_uses(void **unused)
{
    static const struct {
        const char *why;
        int64_t capacity, uses;
        uint64_t want_created, want_spent;
    } rows[] = {
        { "five jobs share an instance", 5, 0, 1, 0 },
        { "each has its own", 1, 0, 5, 0 },
        { "an instance a job", 1, 1, 5, 5 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 10, rows[i].capacity, 0, 20 * MINUTE);
        setting.autoscaler.max_use_count = rows[i].uses;
        for (int k = 0; k < 5; k++)
            add_job(&workload, HOUR, 10 * MINUTE);
        result = run_setting(&setting, &workload);
        if (result.done != 5 || result.created != rows[i].want_created ||
            result.removals[REASON_USES_SPENT] != rows[i].want_spent)
            fail_msg("%s: made %llu", rows[i].why, (unsigned long long) result.created);
        assert_int_equal(result.busy_slots_ms, 50 * MINUTE);
        result_done(&result);
    }
}

static void test_jobs_at_a_time_are_limited(void **unused)
{
    for (int by_limit = 0; by_limit < 2; by_limit++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 10, 5, 0, HOUR);
        if (by_limit)
            setting.engine.limit = 2;
        else
            setting.engine.concurrent = 2;
        for (int k = 0; k < 4; k++)
            add_job(&workload, HOUR, 10 * MINUTE);
        result = run_setting(&setting, &workload);
        assert_int_equal(result_wait_ms(&result, 0.5), 40 * SECOND);
        assert_int_equal(result_wait_ms(&result, 1), 10 * MINUTE + 40 * SECOND);
        result_done(&result);
    }
}

static int64_t waited_ms(const struct result *result)
{
    int64_t sum = 0;

    for (size_t i = 0; i < RESULT_SPANS; i++)
        sum += result->spans[i].waiting_ms;
    return sum;
}

/* The cloud has one instance and no more: growth pauses longer and longer, the job gives up. */
static void test_a_job_that_gets_no_instance_gives_up(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 2, 1, 0, HOUR);
    setting.engine.cloud.capacity = 1;
    add_job(&workload, HOUR, HOUR);
    add_job(&workload, HOUR + MINUTE, MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.timed_out, 1);
    assert_int_equal(result.created, 1);
    assert_in_range(result.failed_orders, 8, 14); /* 1 s, doubling, up to 5 minutes */
    assert_int_equal(waited_ms(&result), 40 * SECOND + 15 * MINUTE);
    result_done(&result);
}

static void test_failures_are_not_repeated_at_full_speed(void **unused)
{
    for (int boots = 0; boots < 2; boots++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 10, 1, 2, HOUR);
        if (boots)
            setting.engine.cloud.boot_fail_rate = 1;
        else
            setting.engine.cloud.fail_rate = 1;
        add_job(&workload, HOUR, MINUTE);
        workload.end_ms = BEGIN + 5 * HOUR;
        result = run_setting(&setting, &workload);
        assert_int_equal(result.done, 0);
        assert_int_equal(result.waiting, 1);
        assert_in_range(result.orders, 50, 75);
        assert_int_equal(result.created, result.removals[REASON_NOT_BOOTED]);
        result_done(&result);
    }
}

/* The request that is parked when growth begins to fail is withdrawn, as the daemon does (V20): the second
 * job stays at GitLab, for whoever can run it, until the first one has given up. */
static void test_no_job_is_taken_that_only_growth_could_serve(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 10, 1, 0, HOUR);
    setting.engine.cloud.fail_rate = 1;
    add_job(&workload, HOUR, MINUTE);
    add_job(&workload, HOUR + 20 * SECOND, MINUTE);
    workload.end_ms = BEGIN + HOUR + 16 * MINUTE;
    result = run_setting(&setting, &workload);
    assert_int_equal(result.timed_out, 1);
    assert_int_equal(result.waiting, 1);
    result_done(&result);
}

/* A job of 3 hours on instances that the cloud takes back after 2, on average. */
static void test_the_cloud_takes_instances_back(void **unused)
{
    uint64_t lost[2];

    for (int noticed = 0; noticed < 2; noticed++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 10, 1, 2, HOUR);
        setting.engine.cloud.mean_life_ms = 2 * HOUR;
        setting.engine.cloud.notice_ms = noticed * 10 * MINUTE;
        for (int k = 0; k < 100; k++)
            add_job(&workload, HOUR + k * HOUR, 8 * MINUTE);
        result = run_setting(&setting, &workload);
        lost[noticed] = result.lost;
        assert_int_equal(result.done + result.lost, 100);
        assert_true((result.removals[REASON_INTERRUPTED] > 0) == (noticed > 0));
        if (!noticed)
            assert_true(result.removals[REASON_VANISHED] > 0);
        result_done(&result);
    }
    assert_true(lost[0] > 2);
    assert_int_equal(lost[1], 0); /* the notice is longer than a job */
}

/* Neither one that was there when it went, nor one that came before a list said so: with a queue, with
 * lists that lag behind, and with idle instances that lists tell of once a minute. */
static void test_no_job_runs_on_an_instance_that_is_gone(void **unused)
{
    static const struct {
        const char *why;
        int64_t idle, apart_ms, lag_ms, duration_ms;
    } rows[] = {
        { "a queue", 0, 0, 0, 10 * MINUTE },
        { "a queue, lists lag behind", 0, 0, 5000, 10 * MINUTE },
        { "idle instances", 3, 10 * MINUTE, 0, SECOND },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;

        begin_setting(&setting, 3, 1, rows[i].idle, HOUR);
        setting.engine.cloud.mean_life_ms = HOUR;
        setting.engine.cloud.list_lag_ms = rows[i].lag_ms;
        for (int k = 0; k < 200; k++)
            add_job(&workload, HOUR + k * rows[i].apart_ms, rows[i].duration_ms);
        result = run_setting(&setting, &workload);
        if (result.lost < 1 || result.lost > 100 || result.done + result.lost != 200)
            fail_msg("%s: %llu jobs are lost", rows[i].why, (unsigned long long) result.lost);
        assert_int_equal(result.use_ms[USE_BUSY], result.busy_slots_ms);
        result_done(&result);
    }
}

/* One job of three that is lost, with one place for a job. */
static struct result run_loss(int64_t lag_ms, bool every_list)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 1, 1, 0, HOUR);
    setting.engine.concurrent = 1;
    setting.engine.every_list = every_list;
    setting.engine.cloud.mean_life_ms = HOUR;
    setting.engine.cloud.list_lag_ms = lag_ms;
    add_job(&workload, HOUR, SECOND);
    add_job(&workload, HOUR, 3 * DAY);
    add_job(&workload, HOUR + 1, SECOND);
    result = run_setting(&setting, &workload);
    assert_true(result.lost == 1 && result.done == 2);
    return result;
}

/* The broken connection makes the first list enough, unless that still names the instance. */
static void test_a_lost_job_makes_the_daemon_look_at_once(void **unused)
{
    struct result result = run_loss(0, false), lagging = run_loss(5000, false),
                  all = run_loss(5000, true);

    /* The last job waited while the others had the instance, and for two boots. */
    assert_int_equal(result_wait_ms(&result, 1),
                     result.busy_slots_ms - SECOND + 2 * 40 * SECOND - 1);
    assert_int_equal(result_wait_ms(&lagging, 1), result_wait_ms(&all, 1));
    result_done(&result);
    result_done(&lagging);
    result_done(&all);
}

/* A heartbeat of the daemon's would find every instance of a model well. */
static void test_heartbeats_hold_up_nothing(void **unused)
{
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 3, 1, 1, HOUR);
    setting.autoscaler.flags.set[FF_USE_FLEETING_ACQUIRE_HEARTBEATS] = 1;
    add_job(&workload, HOUR, MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(result.done, 1);
    assert_int_equal(result_wait_ms(&result, 1), 0);
    result_done(&result);
}

/* Everything goes wrong, at every size. */
static void stormy(struct setting *setting, uint64_t seed)
{
    begin_setting(setting, 20, 3, 4, 7 * MINUTE);
    setting->autoscaler.max_use_count = 9;
    setting->engine.request_ms = 100;
    setting->engine.seed = seed;
    setting->engine.cloud = (struct cloud_model) {
        .boot = { DISTRIBUTION_LOGNORMAL, 40000, 0.5 },
        .gate = { DISTRIBUTION_UNIFORM, 1000, 9000 },
        .removal = { DISTRIBUTION_EXPONENTIAL, 30000, 0 },
        .list_lag_ms = 3000,
        .call_ms = 700,
        .fail_rate = 0.3,
        .boot_fail_rate = 0.2,
        .capacity = 15,
        .mean_life_ms = 2 * HOUR,
        .notice_ms = seed % 2 * MINUTE,
        .price_micros_hour = 250000,
        .billed_unit_ms = 1000,
        .billed_minimum_ms = 60000,
    };
}

static struct result run_stormy(uint64_t seed, bool every_list)
{
    struct workload workload = week();
    struct setting setting;

    stormy(&setting, seed);
    setting.engine.every_list = every_list;
    workload.end_ms = BEGIN + DAY;
    add_poisson(&workload, 4000, DAY,
                (struct distribution) { DISTRIBUTION_LOGNORMAL, 5 * MINUTE, 1 }, seed);
    return run_setting(&setting, &workload);
}

static void test_nothing_is_lost_from_the_books(void **unused)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct result result = run_stormy(seed, false);
        struct result_span sum = { 0 };

        assert_int_equal(result.arrived, result.done + result.lost + result.timed_out +
                                             result.waiting + result.running);
        assert_int_equal(result.n_waits, result.done + result.lost + result.running);
        for (size_t i = 0; i < RESULT_SPANS; i++) {
            for (size_t use = 0; use < INSTANCE_USES; use++)
                sum.use_ms[use] += result.spans[i].use_ms[use];
            sum.paid_ms += result.spans[i].paid_ms;
        }
        assert_memory_equal(sum.use_ms, result.use_ms, sizeof(sum.use_ms));
        assert_int_equal(3 * result_instances_ms(&result), result.slots_ms);
        assert_true(result.busy_slots_ms <= result.slots_ms);
        assert_in_range(result.billed_ms - sum.paid_ms, 1, (int64_t) result.created * 61 * SECOND);
        assert_in_range(result.peak, 5, 15);
        assert_true(result.lost > 0 && result.failed_orders > 0);
        assert_true(result.removals[REASON_NOT_BOOTED] > 0);
        result_done(&result);
    }
}

static void test_the_seed_decides(void **unused)
{
    struct result first = run_stormy(7, false), again = run_stormy(7, false),
                  other = run_stormy(8, false);

    assert_int_equal(first.n_waits, again.n_waits);
    assert_memory_equal(first.waits_ms, again.waits_ms, first.n_waits * sizeof(*first.waits_ms));
    assert_memory_equal(first.spans, again.spans, sizeof(first.spans));
    assert_int_equal(first.decisions, again.decisions);
    assert_int_equal(first.cost_micros, again.cost_micros);
    assert_int_not_equal(first.decisions, other.decisions);
    result_done(&first);
    result_done(&again);
    result_done(&other);
}

static void test_lists_that_are_skipped_would_have_changed_nothing(void **unused)
{
    for (uint64_t seed = 11; seed <= 12; seed++) {
        struct result skipped = run_stormy(seed, false), all = run_stormy(seed, true);

        assert_int_equal(skipped.n_waits, all.n_waits);
        assert_memory_equal(skipped.waits_ms, all.waits_ms, all.n_waits * sizeof(*all.waits_ms));
        assert_memory_equal(skipped.spans, all.spans, sizeof(all.spans));
        assert_memory_equal(skipped.removals, all.removals, sizeof(all.removals));
        assert_true(skipped.decisions < all.decisions);
        result_done(&skipped);
        result_done(&all);
    }
}

struct heard {
    uint64_t plans, ordered;
    int64_t last_ms;
};

static void hear(void *arg, int64_t now_ms, const struct scaler_plan *plan)
{
    struct heard *heard = arg;

    heard->plans++;
    heard->ordered += plan->request;
    assert_true(now_ms >= heard->last_ms);
    heard->last_ms = now_ms;
}

/* By day one instance is kept, by night none: a job of the night waits for its boot. */
static void test_policies_hold_by_their_periods(void **unused)
{
    char *day[] = { (char *) (uintptr_t) "* 8-15 * * mon-fri" };
    char *always[] = { (char *) (uintptr_t) "* * * * *" };
    struct config_policy policies[] = {
        { .periods = always,
          .n_periods = 1,
          .timezone = (char *) (uintptr_t) "UTC",
          .preemptive = -1 },
        { .periods = day,
          .n_periods = 1,
          .timezone = (char *) (uintptr_t) "UTC",
          .idle_count = 1,
          .idle_time_ms = 30 * MINUTE,
          .preemptive = -1 },
    };
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 10, 1, 0, HOUR);
    setting.autoscaler.policies = policies;
    setting.autoscaler.n_policies = ARRAY_LEN(policies);
    add_job(&workload, 3 * HOUR, MINUTE);
    add_job(&workload, 12 * HOUR, MINUTE);
    workload.end_ms = BEGIN + DAY;
    result = run_setting(&setting, &workload);
    assert_int_equal(result_wait_ms(&result, 0.5), 0);
    assert_int_equal(result_wait_ms(&result, 1), 40 * SECOND);
    assert_int_equal(result.created, 3);
    /* Eight hours without the boot, and its second one while the job of noon runs. */
    assert_in_range(result.use_ms[USE_IDLE], 8 * HOUR - 40 * SECOND, 8 * HOUR + 30 * MINUTE);
    result_done(&result);
}

static void test_every_decision_is_told(void **unused)
{
    struct heard heard = { 0 };
    struct workload workload = week();
    struct setting setting;
    struct result result;

    begin_setting(&setting, 10, 1, 1, HOUR);
    setting.engine.on_plan = hear;
    setting.engine.on_plan_arg = &heard;
    add_job(&workload, HOUR, MINUTE);
    result = run_setting(&setting, &workload);
    assert_int_equal(heard.plans, result.decisions);
    assert_int_equal(heard.ordered, 2); /* the idle one, and one in its place */
    result_done(&result);
}

static void test_memory_that_runs_out_is_told(void **unused)
{
    int r = -ENOMEM;

    for (size_t n = 1; r < 0; n++) {
        struct workload workload = week();
        struct setting setting;
        struct result result;
        struct error err = { 0 };

        begin_setting(&setting, 10, 1, 1, HOUR);
        for (int k = 0; k < 20; k++)
            add_job(&workload, HOUR, MINUTE);
        assert_int_equal(workload_finish(&workload, NULL), 0);
        (void) mem_fail_at(n);
        r = engine_run(&setting.engine, &workload, &result, &err);
        (void) mem_fail_at(0);
        if (r < 0)
            assert_non_null(strstr(err.message, "out of memory"));
        else
            result_done(&result);
        workload_done(&workload);
        assert_true(n < 100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_wait_is_that_of_the_queue),
        cmocka_unit_test(test_a_job_waits_for_boot_list_and_gate),
        cmocka_unit_test(test_an_instance_is_kept_for_its_idle_time),
        cmocka_unit_test(test_an_order_that_is_taken_in_part_has_failed),
        cmocka_unit_test(test_a_place_comes_back_late),
        cmocka_unit_test(test_orders_fail_as_often_as_told),
        cmocka_unit_test(test_a_price_beyond_all_bounds_stays_the_highest),
        cmocka_unit_test(test_what_the_configuration_names_is_charged),
        cmocka_unit_test(test_slots_and_uses),
        cmocka_unit_test(test_jobs_at_a_time_are_limited),
        cmocka_unit_test(test_a_job_that_gets_no_instance_gives_up),
        cmocka_unit_test(test_failures_are_not_repeated_at_full_speed),
        cmocka_unit_test(test_no_job_is_taken_that_only_growth_could_serve),
        cmocka_unit_test(test_the_cloud_takes_instances_back),
        cmocka_unit_test(test_no_job_runs_on_an_instance_that_is_gone),
        cmocka_unit_test(test_a_lost_job_makes_the_daemon_look_at_once),
        cmocka_unit_test(test_heartbeats_hold_up_nothing),
        cmocka_unit_test(test_nothing_is_lost_from_the_books),
        cmocka_unit_test(test_the_seed_decides),
        cmocka_unit_test(test_lists_that_are_skipped_would_have_changed_nothing),
        cmocka_unit_test(test_policies_hold_by_their_periods),
        cmocka_unit_test(test_every_decision_is_told),
        cmocka_unit_test(test_memory_that_runs_out_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
