/* core/cli/policy.c - `flotilla policy show`: which policy of a configuration holds, now or at any
 * time, until when, and what that means in jobs, instances and money. Asks no manager. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/harden.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/when.h"
#include "core/cli/cli.h"
#include "core/cli/grid.h"
#include "core/fleet/policy.h"
#include "core/fleet/settings.h"

#define DAY_S (24 * 3600)
#define DAYS_MAX 366
#define LOOK_AHEAD 10 /* searches, each a year long, for the end of what holds */
#define NAME_SHOWN_MAX 200

struct show_options {
    const char *config, *runner, *at;
    int64_t days; /* 0 = only what holds then */
    bool json;
};

static const char usage[] =
    "Usage: flotilla policy show [RUNNER] [--at TIME] [--days N] [--json] [--config FILE]\n"
    "Says which policy holds, until when, and what that means in jobs, instances and money.\n"
    "\n"
    "  --at TIME      then instead of now: 2026-03-30, 2026-03-30T08:00 (local time of the\n"
    "                 runner's policies), 2026-03-30T06:00Z, 2026-03-30T08:00+02:00\n"
    "  --days N       all changes of N days, at most 366\n"
    "  --json         one JSON document\n"
    "  --config FILE  the configuration; no manager needs to run\n";

/* A stretch of time in which one policy holds. */
struct stretch {
    int64_t from_s, until_s; /* INT64_MAX = no end in sight */
    size_t index;            /* or POLICY_DEFAULT */
    struct fleet_config asks;
    uint32_t instances; /* for the jobs that are to find a place at once */
};

/* Of one runner. */
struct view {
    const struct config_runner *runner;
    struct policies *policies;
    struct time_zone *zone; /* in which times are shown */
};

static int parse_options(int argc, char **argv, struct show_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "at", required_argument, NULL, 'a' },
        { "days", required_argument, NULL, 'd' },   { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 'a':
            ret->at = optarg;
            break;
        case 'd':
            if (parse_i64(optarg, 1, DAYS_MAX, &ret->days) < 0)
                return cli_misuse("policy", "--days must be 1 to %d, not '%s'", DAYS_MAX, optarg);
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            (void) fputs(usage, stdout);
            return 1;
        default:
            return cli_wrong_option("policy", c, argv);
        }
    }
    if (optind == argc)
        return cli_misuse("policy", "show is missing");
    if (!str_eq(argv[optind], "show"))
        return cli_misuse("policy", "'%s' is not show", argv[optind]);
    if (++optind < argc)
        ret->runner = argv[optind++];
    if (optind < argc)
        return cli_misuse("policy", "there is no argument '%s'", argv[optind]);
    return 0;
}

/* That of the first policy that names one, else the system's. */
static const char *zone_name(const struct config_autoscaler *autoscaler)
{
    for (size_t i = 0; i < autoscaler->n_policies; i++)
        if (!str_empty(autoscaler->policies[i].timezone))
            return autoscaler->policies[i].timezone;
    return NULL;
}

static int view_open(struct view *view, const struct config_runner *runner, struct error *err)
{
    int r = policies_new(&runner->autoscaler, &view->policies, err);

    view->runner = runner;
    if (r == 0)
        r = time_zone_load(zone_name(&runner->autoscaler), &view->zone, err);
    return r;
}

static void view_close(struct view *view)
{
    policies_free(view->policies);
    time_zone_free(view->zone);
}

/* What holds at `from_s`, and until when. */
static struct stretch look_at(const struct view *view, int64_t from_s)
{
    static const struct fleet_provider unknown = { 0 };
    struct stretch found = { .from_s = from_s };
    int64_t until_ms;
    struct fleet_policy policy =
        policies_at(view->policies, from_s * 1000, &found.index, &until_ms);
    size_t next = found.index;
    uint64_t instances;
    uint32_t each;

    for (int i = 0; i < LOOK_AHEAD && until_ms != INT64_MAX; i++) {
        int64_t at_ms = until_ms;

        (void) policies_at(view->policies, at_ms, &next, &until_ms);
        if (next != found.index) {
            until_ms = at_ms;
            break;
        }
    }
    found.until_s = next == found.index ? INT64_MAX : until_ms / 1000;
    fleet_settings_read(&view->runner->autoscaler, &policy, &unknown, &found.asks);
    each = fleet_new_slots(&found.asks);
    instances = ((uint64_t) policy.idle_count + each - 1) / each;
    found.instances = (uint32_t) MIN(instances, (uint64_t) found.asks.max_instances);
    return found;
}

/* Calls back for what holds at `at_s` and, with a number of days, for all that follows in them. */
static int each_stretch(const struct view *view, int64_t at_s, int64_t days,
                        int (*fn)(void *arg, const struct view *view, const struct stretch *found),
                        void *arg)
{
    int64_t end_s = at_s + days * DAY_S;
    int r;

    do {
        struct stretch found = look_at(view, at_s);

        r = fn(arg, view, &found);
        at_s = found.until_s;
    } while (r == 0 && at_s < end_s);
    return r;
}

static void add_time(struct buf *out, const struct view *view, int64_t utc_s)
{
    if (utc_s == INT64_MAX)
        buf_add_str(out, "no end in sight");
    else
        when_format(out, utc_s, view->zone);
}

static void add_price(struct buf *out, const struct stretch *found)
{
    if (found->instances == 0)
        buf_add_str(out, "0");
    else if (found->asks.price_micros_hour == 0)
        buf_add_str(out, "unknown");
    else
        buf_addf(out, "%.2f", (double) found->asks.price_micros_hour * found->instances / 1e6);
}

/* What is printed of a runner: a table, and below it what the policies in it ask for. */
struct page {
    struct grid grid;
    struct buf legend;
    bool *named; /* in the legend already; the last one is the default */
};

static void explain_once(struct page *page, const struct view *view, const struct stretch *found)
{
    const struct config_autoscaler *autoscaler = &view->runner->autoscaler;
    bool *named = &page->named[MIN(found->index, autoscaler->n_policies)];

    if (*named)
        return;
    *named = true;
    policy_name(autoscaler, found->index, &page->legend);
    buf_add_str(&page->legend, ": ");
    policy_describe(&found->asks.policy, &page->legend);
    buf_add_str(&page->legend, "\n");
}

/* A share of the jobs that run asks for more than idle_count, once enough of them do. */
static bool may_ask_for_more(const struct fleet_policy *policy)
{
    return policy->scale_factor > 0 &&
           (policy->scale_factor_limit == 0 || policy->scale_factor_limit > policy->idle_count);
}

static int add_row(void *arg, const struct view *view, const struct stretch *found)
{
    const struct fleet_policy *policy = &found->asks.policy;
    autobuf struct buf from = BUF_INIT, until = BUF_INIT, name = BUF_INIT, jobs = BUF_INIT,
                       idle = BUF_INIT, instances = BUF_INIT, price = BUF_INIT;
    const struct buf *const cells[] = { &from, &until, &name, &jobs, &idle, &instances, &price };
    struct page *page = arg;

    add_time(&from, view, found->from_s);
    add_time(&until, view, found->until_s);
    if (found->index == POLICY_DEFAULT)
        buf_add_str(&name, "default");
    else
        buf_addf(&name, "policy[%zu]", found->index);
    buf_addf(&jobs, "%" PRIu32 "%s", policy->idle_count, may_ask_for_more(policy) ? "+" : "");
    format_duration(&idle, policy->idle_time_ms);
    buf_addf(&instances, "%" PRIu32, found->instances);
    add_price(&price, found);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        grid_add(&page->grid, buf_str(cells[i]));
    explain_once(page, view, found);
    return 0;
}

static int print_view(const struct view *view, int64_t at_s, int64_t days)
{
    static const struct grid_column columns[] = {
        { "FROM", false, 0, 0 },         { "UNTIL", false, 0, 0 },     { "POLICY", false, 0, 0 },
        { "IDLE JOBS", true, 0, 0 },     { "IDLE TIME", false, 2, 0 }, { "INSTANCES", true, 0, 0 },
        { "MONEY AN HOUR", true, 1, 0 },
    };
    autofree bool *named = mem_array(view->runner->autoscaler.n_policies + 1, sizeof(*named));
    autobuf struct buf shown = BUF_INIT;
    struct page page = { .grid = GRID(columns), .named = named };
    int r;

    if (!named)
        return -ENOMEM;
    str_display(&shown, view->runner->name, strlen(view->runner->name), NAME_SHOWN_MAX);
    buf_add_str(&shown, "\n");
    (void) each_stretch(view, at_s, days, add_row, &page);
    r = grid_format(&page.grid, grid_terminal_width(), &shown);
    if (r == 0)
        (void) printf("%s%s", buf_str(&shown), buf_str(&page.legend));
    grid_done(&page.grid);
    buf_done(&page.legend);
    return r;
}

/* Members are never missing: what is not known is a null. */
static int add_text(json_t *item, const char *key, const char *text)
{
    return text ? json_add_str(item, key, text) : json_object_object_add(item, key, NULL);
}

static int add_when(json_t *item, const char *key, const struct view *view, int64_t utc_s)
{
    autobuf struct buf text = BUF_INIT;

    if (utc_s != INT64_MAX)
        when_format_iso(&text, utc_s, view->zone);
    return add_text(item, key, utc_s == INT64_MAX ? NULL : buf_str(&text));
}

static int add_policy(json_t *item, const struct stretch *found)
{
    const struct fleet_policy *policy = &found->asks.policy;
    double price = (double) found->asks.price_micros_hour * found->instances / 1e6;
    bool known = found->asks.price_micros_hour > 0 || found->instances == 0;

    if ((found->index == POLICY_DEFAULT
             ? json_object_object_add(item, "policy", NULL)
             : json_add_i64(item, "policy", (int64_t) found->index)) < 0 ||
        json_add_i64(item, "idle_count", policy->idle_count) < 0 ||
        json_add_i64(item, "idle_time_ms", policy->idle_time_ms) < 0 ||
        json_add(item, "scale_factor", json_object_new_double(policy->scale_factor)) < 0 ||
        json_add_i64(item, "scale_factor_limit", policy->scale_factor_limit) < 0 ||
        json_add_bool(item, "preemptive_mode", policy->preemptive) < 0 ||
        json_add_i64(item, "instances", found->instances) < 0)
        return -ENOMEM;
    return known ? json_add(item, "price_an_hour", json_object_new_double(price))
                 : json_object_object_add(item, "price_an_hour", NULL);
}

static int add_stretch(void *arg, const struct view *view, const struct stretch *found)
{
    json_t *item = json_object_new_object();

    if (!item || add_when(item, "from", view, found->from_s) < 0 ||
        add_when(item, "until", view, found->until_s) < 0 || add_policy(item, found) < 0 ||
        json_object_array_add(arg, item) < 0) {
        json_object_put(item);
        return -ENOMEM;
    }
    return 0;
}

static int add_view(json_t *list, const struct view *view, int64_t at_s, int64_t days)
{
    autojson json_t *item = json_object_new_object(), *holds = json_object_new_array();

    if (!item || !holds || json_add_str(item, "runner", view->runner->name) < 0 ||
        add_text(item, "timezone", zone_name(&view->runner->autoscaler)) < 0 ||
        each_stretch(view, at_s, days, add_stretch, holds) < 0 ||
        json_add(item, "holds", json_object_get(holds)) < 0)
        return -ENOMEM;
    return json_object_array_add(list, json_object_get(item)) < 0 ? -ENOMEM : 0;
}

static int time_of(const struct show_options *options, const struct view *view, int64_t *ret_s,
                   struct error *err)
{
    int64_t at_ms = clock_wall_ms(&clock_system);

    if (options->at && when_parse(options->at, view->zone, &at_ms) < 0)
        return error_set(err, -EINVAL,
                         "--at '%s' is no time; one is 2026-03-30T08:00, or 2026-03-30T06:00Z",
                         options->at);
    *ret_s = at_ms / 1000;
    return 0;
}

static int refuse_runner(const struct config_runner *runner, int r, struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, runner->name, strlen(runner->name), NAME_SHOWN_MAX);
    return error_wrap(err, r, "runner '%s'", buf_str(&shown));
}

static int show_runner(const struct show_options *options, const struct config_runner *runner,
                       json_t *list, struct error *err)
{
    struct view view = { 0 };
    int64_t at_s = 0;
    int r = view_open(&view, runner, err);

    if (r < 0)
        r = refuse_runner(runner, r, err);
    if (r == 0)
        r = time_of(options, &view, &at_s, err);
    if (r == 0 && (list ? add_view(list, &view, at_s, options->days)
                        : print_view(&view, at_s, options->days)) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    view_close(&view);
    return r;
}

/* The exit status. */
static int show(const struct show_options *options, const struct config *config)
{
    autojson json_t *document = json_object_new_object(), *list = json_object_new_array();
    struct error err = { 0 };
    size_t found = 0;
    int r = document && list ? 0 : error_set(&err, -ENOMEM, "out of memory");

    for (size_t i = 0; i < config->n_runners && r == 0; i++) {
        if (options->runner && !str_eq(options->runner, config->runners[i].name))
            continue;
        if (found++ > 0 && !options->json)
            (void) printf("\n");
        r = show_runner(options, &config->runners[i], options->json ? list : NULL, &err);
    }
    if (r == 0 && found == 0 && options->runner)
        r = error_set(&err, -ENOENT, "there is no runner '%s' in %s", options->runner,
                      config->file);
    if (r == 0 && options->json && json_add(document, "runners", json_object_get(list)) < 0)
        r = error_set(&err, -ENOMEM, "out of memory");
    if (r < 0)
        cli_say("flotilla: %s", err.message);
    else if (options->json)
        (void) printf("%s\n", json_text(document));
    return r == 0 ? 0 : 1;
}

int cli_policy(int argc, char **argv)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct show_options options = { .config = cli_default_config() };
    int r = parse_options(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (harden_process() < 0 || cli_load_config(options.config, CONFIG_WARNING, &config) < 0)
        return 1;
    return show(&options, config);
}
