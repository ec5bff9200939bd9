/* core/cli/simulate_options.c - the command line of `flotilla simulate`: most options are a row of a
 * table with a function that reads their value. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/when.h"
#include "core/cli/cli.h"
#include "core/cli/simulate.h"

#define COUNT_MAX 20000000
#define INSTANCES_MAX 1000000

static const char usage[] =
    "Usage: flotilla simulate [--config FILE]... [--runner NAME] JOBS [OPTION]...\n"
    "Runs the scaler of a configuration in virtual time against jobs and a model of the cloud, "
    "and\n"
    "says how long jobs would have waited and what the instances would have cost. With several\n"
    "configurations, the same jobs for each, side by side.\n"
    "\n"
    "Jobs, at least one of:\n"
    "  --jobs FILE           CSV with the columns arrival and duration (seconds, or times)\n"
    "  --history             those that the ledger of --state-dir remembers\n"
    "  --poisson N/PERIOD    N jobs in each PERIOD on average, such as 100000/30d\n"
    "  --daily PEAK:OFFPEAK  jobs an hour, at 14:00 and at 02:00 UTC, with a wave between\n"
    "  --burst N@TIME        N jobs at once, so long after the begin, such as 500@9h; repeatable\n"
    "  --duration TIME       how long made-up jobs run: 5m (the default), exponential:5m,\n"
    "                        uniform:1m,9m or lognormal:4m,0.8\n"
    "  --start TIME          begin of the simulation; the default is Monday 2024-01-01, 00:00 "
    "UTC,\n"
    "                        or where times are given, the hour of the first job\n"
    "  --for PERIOD          how long it is simulated; the default is the PERIOD of --poisson, or "
    "a\n"
    "                        week, or an hour beyond the last job\n"
    "  --seed N              what chance draws from: the same seed gives the same result\n"
    "\n"
    "The cloud:\n"
    "  --boot-time TIME      from the order until an instance runs (40s); as --duration\n"
    "  --ready-time TIME     from then on until it passed the ready gate (0s)\n"
    "  --removal-time TIME   until one that is removed is gone (10s)\n"
    "  --recycle-time TIME   the place of one that is gone stays taken for so long (0s)\n"
    "  --list-lag TIME       lists show what happened so much later (0s)\n"
    "  --call-time TIME      what a call of the cloud takes (0s)\n"
    "  --fail-rate SHARE     of orders that fail for want of capacity, such as 0.05\n"
    "  --boot-fail-rate SHARE  of instances that never pass the ready gate\n"
    "  --cloud-limit N       instances that the cloud has at most\n"
    "  --interrupted TIME    the cloud takes an instance back after so long, on average\n"
    "  --notice TIME         and says so before (0s: it does not)\n"
    "  --price P             of an instance for an hour, where the configuration names none\n"
    "  --billed MIN/UNIT     what is paid at least, and in which steps: 60s/1s (the default)\n"
    "  --request-time TIME   what asking GitLab for a job takes when there is one (100ms)\n"
    "\n"
    "  --runner NAME         which runner of the configuration, when it has several\n"
    "  --state-dir DIR       for --history and --replay: where the ledger is\n"
    "  --report FILE         also write a page of HTML with plots\n"
    "  --json                one JSON document instead of the table\n"
    "\n"
    "  --replay              instead of simulating jobs: takes each decision of the ledger's "
    "journals\n"
    "                        again, from what the manager was told, and compares\n"
    "\n"
    "Exit status: 0, 1 when it cannot be simulated, 2 for a wrong command line, 3 when a decision\n"
    "was another one.\n";

/* How a value is read: 0, or negative with the sentence said. */
typedef int (*read_fn)(const char *option, const char *text, void *at);

static int read_text(const char *option, const char *text, void *at)
{
    (void) option;
    *(const char **) at = text;
    return 0;
}

static int read_flag(const char *option, const char *text, void *at)
{
    (void) option;
    (void) text;
    *(bool *) at = true;
    return 0;
}

static int read_distribution(const char *option, const char *text, void *at)
{
    struct error err = { 0 };

    if (distribution_parse(text, at, &err) == 0)
        return 0;
    return cli_misuse("simulate", "%s: %s", option, err.message);
}

static int read_period(const char *option, const char *text, void *at)
{
    if (parse_period_ms(text, at) == 0)
        return 0;
    return cli_misuse("simulate", "%s: '%s' is no time such as 90s, 5m or 30d", option, text);
}

static int read_length(const char *option, const char *text, void *at)
{
    int64_t ms;

    if (parse_period_ms(text, &ms) == 0 && ms > 0) {
        *(int64_t *) at = ms;
        return 0;
    }
    return cli_misuse("simulate", "%s: '%s' is no time such as 12h or 30d", option, text);
}

static int read_start(const char *option, const char *text, void *at)
{
    if (when_parse(text, NULL, at) == 0)
        return 0;
    return cli_misuse("simulate", "%s: '%s' is no time such as 2026-05-04T12:00:00Z", option, text);
}

static int read_share(const char *option, const char *text, void *at)
{
    double share;

    if (parse_real(text, &share) == 0 && share <= 1) {
        *(double *) at = share;
        return 0;
    }
    return cli_misuse("simulate", "%s: '%s' is no share from 0 to 1", option, text);
}

static int read_price(const char *option, const char *text, void *at)
{
    double price;

    if (parse_real(text, &price) == 0 && price <= 1e6) {
        *(int64_t *) at = llround(price * 1e6);
        return 0;
    }
    return cli_misuse("simulate", "%s: '%s' is no price such as 0.34", option, text);
}

static int read_instances(const char *option, const char *text, void *at)
{
    int64_t n;

    if (parse_i64(text, 1, INSTANCES_MAX, &n) == 0) {
        *(uint32_t *) at = (uint32_t) n;
        return 0;
    }
    return cli_misuse("simulate", "%s: '%s' is no number from 1 to %d", option, text,
                      INSTANCES_MAX);
}

static int read_seed(const char *option, const char *text, void *at)
{
    int64_t seed;

    if (parse_i64(text, 0, INT64_MAX, &seed) == 0) {
        *(uint64_t *) at = (uint64_t) seed;
        return 0;
    }
    return cli_misuse("simulate", "%s: '%s' is no number", option, text);
}

/* The two sides of a separator; the first is the caller's to free. */
static const char *halve(const char *text, char separator, char **ret_first)
{
    const char *at = strchr(text, separator);

    *ret_first = at ? mem_strndup(text, (size_t) (at - text)) : NULL;
    return *ret_first ? at + 1 : NULL;
}

static int read_poisson(const char *option, const char *text, void *at)
{
    struct simulate_options *options = at;
    autofree char *n = NULL;
    const char *period = halve(text, '/', &n);

    if (period && parse_real(n, &options->poisson) == 0 && options->poisson > 0 &&
        options->poisson <= COUNT_MAX && parse_period_ms(period, &options->poisson_ms) == 0 &&
        options->poisson_ms > 0)
        return 0;
    return cli_misuse("simulate", "%s: '%s' is no N/PERIOD such as 100000/30d", option, text);
}

static int read_daily(const char *option, const char *text, void *at)
{
    struct workload_wave *wave = at;
    autofree char *peak = NULL;
    const char *off_peak = halve(text, ':', &peak);

    if (off_peak && parse_real(peak, &wave->peak) == 0 &&
        parse_real(off_peak, &wave->off_peak) == 0 && wave->peak > 0 && wave->peak <= 1e7 &&
        wave->off_peak <= 1e7)
        return 0;
    return cli_misuse("simulate", "%s: '%s' is no PEAK:OFFPEAK in jobs an hour, such as 400:20",
                      option, text);
}

static int read_burst(const char *option, const char *text, void *at)
{
    struct simulate_options *options = at;
    struct simulate_burst *burst = &options->bursts[options->n_bursts];
    autofree char *n = NULL;
    const char *when = halve(text, '@', &n);

    if (options->n_bursts == SIMULATE_BURSTS_MAX)
        return cli_misuse("simulate", "%s: more than %d are too many", option, SIMULATE_BURSTS_MAX);
    if (!when || parse_i64(n, 1, COUNT_MAX, &burst->n) < 0 ||
        parse_period_ms(when, &burst->at_ms) < 0)
        return cli_misuse("simulate", "%s: '%s' is no N@TIME such as 500@9h", option, text);
    options->n_bursts++;
    return 0;
}

static int read_billed(const char *option, const char *text, void *at)
{
    struct cloud_model *cloud = at;
    autofree char *minimum = NULL;
    const char *unit = halve(text, '/', &minimum);

    if (unit && parse_period_ms(minimum, &cloud->billed_minimum_ms) == 0 &&
        parse_period_ms(unit, &cloud->billed_unit_ms) == 0 && cloud->billed_unit_ms > 0)
        return 0;
    return cli_misuse("simulate", "%s: '%s' is no MIN/UNIT such as 60s/1s", option, text);
}

static int read_config(const char *option, const char *text, void *at)
{
    struct simulate_options *options = at;

    if (options->n_configs == RESULTS_MAX)
        return cli_misuse("simulate", "%s: more than %d are too many", option, RESULTS_MAX);
    options->configs[options->n_configs++] = text;
    return 0;
}

#define AT(member) offsetof(struct simulate_options, member)
static const struct known_option {
    const char *name;
    read_fn read;
    size_t at;
} known[] = {
    { "config", read_config, 0 },
    { "runner", read_text, AT(runner) },
    { "state-dir", read_text, AT(state_dir) },
    { "report", read_text, AT(report) },
    { "json", read_flag, AT(json) },
    { "jobs", read_text, AT(jobs) },
    { "history", read_flag, AT(history) },
    { "replay", read_flag, AT(replay) },
    { "poisson", read_poisson, 0 },
    { "daily", read_daily, AT(wave) },
    { "burst", read_burst, 0 },
    { "duration", read_distribution, AT(duration) },
    { "start", read_start, AT(start_ms) },
    { "for", read_length, AT(period_ms) },
    { "seed", read_seed, AT(seed) },
    { "boot-time", read_distribution, AT(cloud.boot) },
    { "ready-time", read_distribution, AT(cloud.gate) },
    { "removal-time", read_distribution, AT(cloud.removal) },
    { "recycle-time", read_period, AT(cloud.recycle_ms) },
    { "list-lag", read_period, AT(cloud.list_lag_ms) },
    { "call-time", read_period, AT(cloud.call_ms) },
    { "fail-rate", read_share, AT(cloud.fail_rate) },
    { "boot-fail-rate", read_share, AT(cloud.boot_fail_rate) },
    { "cloud-limit", read_instances, AT(cloud.capacity) },
    { "interrupted", read_period, AT(cloud.mean_life_ms) },
    { "notice", read_period, AT(cloud.notice_ms) },
    { "price", read_price, AT(cloud.price_micros_hour) },
    { "billed", read_billed, AT(cloud) },
    { "request-time", read_period, AT(request_ms) },
};

static int check(const struct simulate_options *options)
{
    bool makes_up = options->poisson > 0 || options->wave.peak > 0 || options->n_bursts > 0;

    if (options->replay && (options->jobs || options->history || makes_up || options->report))
        return cli_misuse("simulate", "--replay takes what the ledger has, and neither other jobs "
                                      "nor --report");
    if (!options->replay && !options->jobs && !options->history && !makes_up)
        return cli_misuse("simulate",
                          "there are no jobs: --jobs, --history, --poisson, --daily or --burst");
    if (options->state_dir && !options->history && !options->replay)
        return cli_misuse("simulate", "--state-dir is for --history and --replay");
    if (options->cloud.notice_ms > 0 && options->cloud.mean_life_ms == 0)
        return cli_misuse("simulate", "--notice is for --interrupted");
    return 0;
}

int simulate_parse_options(int argc, char **argv, struct simulate_options *ret)
{
    struct option options[ARRAY_LEN(known) + 2] = { 0 };
    int c, r, which = 0;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        options[i] = (struct option) { known[i].name,
                                       known[i].read == read_flag ? no_argument : required_argument,
                                       NULL, 'o' };
    options[ARRAY_LEN(known)] = (struct option) { "help", no_argument, NULL, 'h' };
    while ((c = getopt_long(argc, argv, ":h", options, &which)) != -1) {
        const struct known_option *option = &known[which];
        autofree char *said = NULL;

        if (c == 'h') {
            (void) fputs(usage, stdout);
            return 1;
        }
        if (c != 'o')
            return cli_wrong_option("simulate", c, argv);
        said = mem_printf("--%s", option->name);
        r = option->read(said ? said : option->name, optarg, (char *) ret + option->at);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return cli_misuse("simulate", "there is no argument '%s'", argv[optind]);
    return check(ret);
}
