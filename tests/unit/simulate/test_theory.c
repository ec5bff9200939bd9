/* tests/unit/simulate/test_theory.c - the simulator against queueing theory: a fleet of which c
 * instances are always there is an M/M/c or an M/D/c queue, whose waits are known.
 *
 * M/M/c: Erlang's formula. M/D/c: no formula, but an exact way: what is in the system one service time
 * later is what was too many for the servers, and who came meanwhile; the stationary distribution of
 * that chain is that of all times, and Little's law makes a wait of the queue's length.
 *
 * The sampling error is that of the mean of batches, each of which is a run of its own. Each row prints
 * both numbers and that error. */
#include <math.h>

#include "tests/unit/simulate/fixture.h"

#define BATCHES 12
/* Service times in a batch; a sanitizer is there for other things than the precision. */
#ifdef FLOTILLA_SANITIZED
#define SERVICES 600
#define PRECISION 0.4
#else
#define SERVICES 25000
#define PRECISION 0.06
#endif
#define STATES 2000
#define SERVICE_MS (100 * SECOND)

/* Chance that who comes must wait, by Erlang's recursion for loss. */
static double erlang_c(unsigned servers, double load)
{
    double loss = 1;

    for (unsigned k = 1; k <= servers; k++)
        loss = load * loss / (k + load * loss);
    return loss / (1 - load / servers * (1 - loss));
}

static double mmc_wait_ms(unsigned servers, double load)
{
    return erlang_c(servers, load) * (double) SERVICE_MS / (servers - load);
}

static void fill_poisson(double *chance, double mean)
{
    for (int k = 0; k < STATES; k++)
        chance[k] = exp(k * log(mean) - mean - lgamma(k + 1));
}

/* One service time later. */
static void step(const double *now, const double *arrivals, unsigned servers, double *later)
{
    memset(later, 0, STATES * sizeof(*later));
    for (unsigned n = 0; n < STATES; n++) {
        unsigned left = n > servers ? n - servers : 0;

        for (unsigned k = 0; now[n] > 1e-18 && left + k < STATES; k++)
            later[left + k] += now[n] * arrivals[k];
    }
}

static double mdc_wait_ms(unsigned servers, double load)
{
    static double arrivals[STATES], now[STATES], later[STATES];
    double change = 1, queue = 0;

    fill_poisson(arrivals, load);
    memset(now, 0, sizeof(now));
    now[0] = 1;
    while (change > 1e-12) {
        change = 0;
        step(now, arrivals, servers, later);
        for (int n = 0; n < STATES; n++)
            change += fabs(later[n] - now[n]);
        memcpy(now, later, sizeof(now));
    }
    for (unsigned n = servers; n < STATES; n++)
        queue += (n - servers) * now[n];
    return queue * (double) SERVICE_MS / load;
}

static double run_batch(unsigned servers, double load, const struct distribution *service,
                        uint64_t seed)
{
    const int64_t period = SERVICES * SERVICE_MS / servers;
    struct setting setting;
    struct workload workload = { .begin_ms = WORKLOAD_BEGIN_MS };
    struct rng_seeded rng;
    struct result result;
    double mean;

    begin_setting(&setting, servers, 1, servers, HOUR);
    setting.engine.cloud.boot = fixed(0);
    workload.end_ms = workload.begin_ms + period;
    rng_seed(&rng, seed);
    assert_int_equal(workload_poisson(&workload, load * (double) period / (double) SERVICE_MS,
                                      period, service, &rng.rng),
                     0);
    result = run_setting(&setting, &workload);
    mean = (double) result_mean_wait_ms(&result);
    result_done(&result);
    return mean;
}

static void compare(const char *queue, unsigned servers, double load,
                    const struct distribution *service, double theory)
{
    double sum = 0, squares = 0, mean, deviation;

    for (uint64_t i = 0; i < BATCHES; i++) {
        double wait = run_batch(servers, load, service, 1000 * servers + i);

        sum += wait;
        squares += wait * wait;
    }
    mean = sum / BATCHES;
    deviation = sqrt((squares / BATCHES - mean * mean) / (BATCHES - 1));
    print_message("%s, %u servers, load %.2f: theory %.1f ms, simulated %.1f ms, error of sampling "
                  "%.1f ms\n",
                  queue, servers, load / servers, theory, mean, deviation);
    assert_true(deviation < PRECISION * theory);
    assert_true(fabs(mean - theory) < 3 * deviation + 1);
}

static const struct {
    unsigned servers;
    double used;
} rows[] = { { 1, 0.5 }, { 4, 0.8 }, { 10, 0.8 } };

static void test_mmc(void **unused)
{
    const struct distribution service = { DISTRIBUTION_EXPONENTIAL, SERVICE_MS, 0 };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double load = rows[i].used * rows[i].servers;

        compare("M/M/c", rows[i].servers, load, &service, mmc_wait_ms(rows[i].servers, load));
    }
}

static void test_mdc(void **unused)
{
    const struct distribution service = fixed(SERVICE_MS);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double load = rows[i].used * rows[i].servers;

        compare("M/D/c", rows[i].servers, load, &service, mdc_wait_ms(rows[i].servers, load));
    }
}

/* The references themselves: known values, so that both are not wrong alike. */
static void test_references(void **unused)
{
    /* M/D/1: half of M/M/1's wait; M/M/1: load / (1 - load). */
    assert_true(fabs(mmc_wait_ms(1, 0.5) - 1.0 * SERVICE_MS) < 1);
    assert_true(fabs(mdc_wait_ms(1, 0.5) - 0.5 * SERVICE_MS) < 1);
    /* Tables of Erlang's C: 10 servers, 7 erlangs. */
    assert_true(fabs(erlang_c(10, 7) - 0.2217) < 0.0001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_mmc),
        cmocka_unit_test(test_mdc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
