/* core/fleet/replay.c - reads the lines of journal.c, tells a fleet and compares (replay.h). Lines come
 * from a ledger on disk, so all that is in them is checked. */
#include "core/fleet/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

#define CAPACITY_MAX 100000
#define FAR_MS (INT64_MAX / 8)

struct replay {
    struct fleet *fleet; /* NULL: a beginning is waited for */
    uint64_t lines, decisions;
};

/* The rest of a line; what is missing or no number makes it bad. */
struct reader {
    char *at;
    bool bad;
};

static const char *word(struct reader *reader)
{
    char *begin = reader->at;

    if (!*begin) {
        reader->bad = true;
        return "";
    }
    reader->at += strcspn(begin, " ");
    if (*reader->at)
        *reader->at++ = '\0';
    return begin;
}

static int64_t within(struct reader *reader, int64_t min, int64_t max)
{
    int64_t n = 0;

    if (parse_i64(word(reader), min, max, &n) < 0)
        reader->bad = true;
    return n;
}

/* What is as far away as this is as good as never, and sums of it do not overflow. */
static int64_t number(struct reader *reader)
{
    int64_t n = within(reader, INT64_MIN, INT64_MAX);

    return MIN(MAX(n, -FAR_MS), FAR_MS);
}

static uint32_t count(struct reader *reader)
{
    return (uint32_t) within(reader, 0, UINT32_MAX);
}

static bool flag(struct reader *reader)
{
    return within(reader, 0, 1) != 0;
}

static enum fleet_reason reason(struct reader *reader)
{
    return (enum fleet_reason) within(reader, 0, FLEET_REASONS - 1);
}

static enum growth_failure failure(struct reader *reader)
{
    return (enum growth_failure) within(reader, 0, GROWTH_FAILURES - 1);
}

static int broken(const char *what, struct error *err)
{
    return error_set(err, -EBADMSG, "the journal has a line that is not understood: %.200s", what);
}

static int differs(struct error *err, const char *recorded, const char *decided)
{
    return error_set(err, -EILSEQ, "recorded was \"%.200s\", decided is \"%.200s\"", recorded,
                     decided);
}

/* Every word of a journal. They return 0, -EBADMSG or -EILSEQ; a reader that is bad is looked at by
 * whoever calls them, before anything is done with what was read where that matters. */

static int on_config(struct fleet *fleet, struct reader *r, struct error *err)
{
    struct fleet_config config = { 0 };
    int64_t factor, drained;

    config.capacity = (uint32_t) within(r, 1, CAPACITY_MAX);
    config.max_use_count = count(r);
    config.max_instances = count(r);
    config.policy.idle_count = count(r);
    config.policy.idle_time_ms = number(r);
    factor = within(r, INT64_MIN, INT64_MAX);
    memcpy(&config.policy.scale_factor, &factor, sizeof(factor));
    config.policy.scale_factor_limit = count(r);
    config.policy.preemptive = flag(r);
    config.vm_isolation = flag(r);
    drained = within(r, 0, 2); /* 2: and leaving */
    config.drained = drained > 0;
    config.leaving = drained > 1;
    config.unthrottled_reservations = flag(r);
    config.pending_limit_ms = number(r);
    config.failure_threshold = count(r);
    config.heartbeat_interval_ms = number(r);
    config.heartbeat_valid_ms = number(r);
    config.throttle_limit = (int32_t) within(r, INT32_MIN, INT32_MAX);
    config.throttle_burst = count(r);
    config.price_micros_hour = number(r);
    config.minimum_billed_ms = number(r);
    config.minimum_life_ms = number(r);
    config.recycle_ms = number(r);
    config.pause_unit_ms = number(r);
    return r->bad ? -EBADMSG : MIN(fleet_configure(fleet, &config), 0);
}

static int on_instance(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);
    struct fleet_instance *instance = r->bad || fleet_get(fleet, id) ? NULL : fleet_add(fleet, id);

    if (!instance)
        return -EBADMSG;
    instance->state = (enum instance_state) within(r, 0, INSTANCE_RESUMING);
    instance->cause = (enum instance_cause) within(r, 0, CAUSE_FOREIGN);
    instance->ready = flag(r);
    instance->removing = flag(r);
    instance->removal_accepted = flag(r);
    instance->remove_reason = reason(r);
    instance->removing_ms = number(r);
    instance->removal_accepted_ms = number(r);
    instance->first_seen_ms = number(r);
    instance->ready_ms = number(r);
    instance->idle_since_ms = number(r);
    instance->uses = count(r);
    instance->misses = count(r);
    instance->connection_dead = flag(r);
    instance->draining = reason(r);
    instance->interrupted_ms = number(r);
    instance->failures = count(r);
    instance->asked = flag(r);
    instance->asked_ms = number(r);
    instance->answered_ms = number(r);
    instance->crashes_ms[0] = number(r);
    instance->crashes_ms[1] = number(r);
    census_update(fleet, instance);
    return 0;
}

static int on_counts(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet->requested = count(r);
    fleet->unanswered = count(r);
    fleet->early = count(r);
    fleet->spent_milli = number(r);
    fleet->spent_ms = number(r);
    fleet->reserved = count(r);
    fleet->complete_lists = (unsigned) within(r, 0, 2);
    census_update_all(fleet);
    return 0;
}

static int on_growth(struct fleet *fleet, struct reader *r, struct error *err)
{
    enum growth_failure kind = failure(r);

    if (r->bad)
        return -EBADMSG;
    fleet->growth[kind].failures = count(r);
    fleet->growth[kind].until_ms = number(r);
    return 0;
}

static int on_occupy(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);
    uint32_t slot = (uint32_t) within(r, 0, CAPACITY_MAX);
    int64_t seq = number(r);

    return r->bad ? -EBADMSG : fleet_occupy(fleet, id, slot, seq, err);
}

static int on_order(struct fleet *fleet, struct reader *r, struct error *err)
{
    uint32_t n = count(r);
    int64_t expires_ms = number(r);

    orders_add(fleet, (struct fleet_order) { n, expires_ms, !flag(r) });
    return 0;
}

static int on_gone(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_restore_gone(fleet, number(r));
    return 0;
}

static void ignore(void *arg, const struct fleet_change *change)
{
    (void) arg;
    (void) change;
}

/* "ID,STATE" with what is remembered of it; `text` keeps the id. */
static int read_listed(char *text, struct fleet_listed *ret, struct fleet_instance *former)
{
    char *fields = strchr(text, ',');
    struct reader r = { .at = fields };

    *ret = (struct fleet_listed) { .id = text };
    if (!fields)
        return -EBADMSG;
    *r.at++ = '\0';
    for (char *at = r.at; *at; at++)
        if (*at == ',')
            *at = ' ';
    ret->state = (enum instance_state) within(&r, 0, INSTANCE_RESUMING);
    if (*r.at) {
        *former = (struct fleet_instance) { 0 };
        former->cause = (enum instance_cause) within(&r, 0, CAUSE_FOREIGN);
        former->uses = count(&r);
        former->removing = flag(&r);
        former->remove_reason = reason(&r);
        former->first_seen_ms = number(&r);
        ret->former = former;
        ret->returns = flag(&r);
    }
    return r.bad ? -EBADMSG : 0;
}

struct listing {
    struct fleet_listed *listed;
    struct fleet_instance *formers;
    const char **missing; /* sorted */
    size_t n, n_missing;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* What the line does not mention is as the fleet knows it. */
static void add_unchanged(const struct fleet *fleet, struct listing *list)
{
    size_t n_told = list->n;

    for (size_t i = 0; i < fleet->n_members; i++) {
        const struct fleet_instance *known = &fleet->members[i]->instance;
        const char *id = known->id;
        bool told = bsearch(&id, list->missing, list->n_missing, sizeof(*list->missing),
                            compare_ids) != NULL;

        for (size_t k = 0; k < n_told && !told; k++)
            told = str_eq(list->listed[k].id, id);
        if (!told)
            list->listed[list->n++] = (struct fleet_listed) { .id = id, .state = known->state };
    }
}

static int read_listing(struct fleet *fleet, struct reader *r, struct listing *list)
{
    while (*r->at) {
        char *text = (char *) (uintptr_t) word(r);

        if (*text == '-')
            list->missing[list->n_missing++] = text + 1;
        else if ((*text != '+' && *text != '=') ||
                 read_listed(text + 1, &list->listed[list->n], &list->formers[list->n]) < 0)
            return -EBADMSG;
        else
            list->n++;
    }
    qsort(list->missing, list->n_missing, sizeof(*list->missing), compare_ids);
    add_unchanged(fleet, list);
    return 0;
}

static int on_listed(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t now_ms = number(r);
    bool complete = flag(r);
    size_t max = strlen(r->at) / 2 + fleet->n_members + 1;
    autofree struct fleet_listed *listed = mem_array(max, sizeof(*listed));
    autofree struct fleet_instance *formers = mem_array(max, sizeof(*formers));
    autofree const char **missing = mem_array(max, sizeof(*missing));
    struct listing list = { listed, formers, missing, 0, 0 };

    if (!listed || !formers || !missing)
        return -ENOMEM;
    if (r->bad || read_listing(fleet, r, &list) < 0)
        return -EBADMSG;
    return fleet_on_list(fleet, now_ms, listed, list.n, complete, ignore, NULL, err);
}

static int on_request(struct fleet *fleet, struct reader *r, struct error *err)
{
    uint32_t n = count(r);

    fleet_request(fleet, n, number(r));
    return 0;
}

static int on_cancel(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_cancel_requests(fleet, count(r));
    return 0;
}

static int on_increased(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t now_ms = number(r);
    uint32_t asked = count(r);

    fleet_on_increase(fleet, now_ms, asked, count(r));
    return 0;
}

static int on_unanswered(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_on_increase_unanswered(fleet, count(r));
    return 0;
}

static int on_failed(struct fleet *fleet, struct reader *r, struct error *err)
{
    enum growth_failure kind = failure(r);
    int64_t now_ms = number(r);

    if (!r->bad)
        fleet_growth_failed(fleet, kind, now_ms, number(r));
    return 0;
}

static int on_grown(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_growth_succeeded(fleet);
    return 0;
}

static int on_drain(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);
    enum fleet_reason why = reason(r);

    return fleet_drain(fleet, id, why, number(r)) ? 0 : -EBADMSG;
}

static int on_undrain(struct fleet *fleet, struct reader *r, struct error *err)
{
    return fleet_undrain(fleet, word(r)) ? 0 : -EBADMSG;
}

static int on_hold(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);

    return fleet_hold(fleet, id, number(r)) ? 0 : -EBADMSG;
}

static int on_unhold(struct fleet *fleet, struct reader *r, struct error *err)
{
    return fleet_release_hold(fleet, word(r)) ? 0 : -EBADMSG;
}

static int on_health(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);

    (void) fleet_note_health(fleet, id, flag(r));
    return 0;
}

static int on_answered(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);
    bool good = flag(r);

    fleet_heartbeat_ended(fleet, id, good, number(r));
    return 0;
}

static int on_remove(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);
    enum fleet_reason why = reason(r);

    fleet_mark_removing(fleet, id, why, number(r));
    return 0;
}

static int on_accepted(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);

    fleet_on_removal_accepted(fleet, id, number(r));
    return 0;
}

static int on_ready(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);

    fleet_mark_ready(fleet, id, number(r));
    return 0;
}

static int on_recheck(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_recheck(fleet, word(r));
    return 0;
}

static int on_doubt(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_doubt(fleet, word(r));
    return 0;
}

static int on_dead(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_mark_connection_dead(fleet, word(r));
    return 0;
}

static int on_crash(struct fleet *fleet, struct reader *r, struct error *err)
{
    const char *id = word(r);

    (void) fleet_note_crash(fleet, id, number(r));
    return 0;
}

static int on_unreserve(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_unreserve(fleet);
    return 0;
}

static int on_wait(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t seq = number(r);

    return fleet_wait(fleet, seq, flag(r));
}

static int on_leave(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_stop_waiting(fleet, number(r));
    return 0;
}

static int on_use(struct fleet *fleet, struct reader *r, struct error *err)
{
    fleet_count_use(fleet, word(r));
    return 0;
}

static int on_release(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t seq = number(r);

    fleet_release(fleet, seq, number(r));
    return 0;
}

/* Decisions. */

static int on_reserve(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t now_ms = number(r);
    struct error why = { 0 };

    return fleet_reserve(fleet, now_ms, &why) ? 0 : differs(err, "reserve", why.message);
}

static int on_assign(struct fleet *fleet, struct reader *r, struct error *err)
{
    const struct fleet_instance *instance = NULL;
    autobuf struct buf recorded = BUF_INIT, decided = BUF_INIT;
    int64_t now_ms = number(r), seq = 0;
    uint32_t slot = 0;

    buf_add_str(&recorded, r->at);
    if (fleet_assign_next(fleet, now_ms, &seq, &instance, &slot) == 1)
        buf_addf(&decided, "%" PRId64 " %s %" PRIu32, seq, instance->id, slot);
    r->at += strlen(r->at);
    return str_eq(buf_str(&recorded), buf_str(&decided))
               ? 0
               : differs(err, buf_str(&recorded), buf_str(&decided));
}

static int on_ask(struct fleet *fleet, struct reader *r, struct error *err)
{
    int64_t now_ms = number(r);
    const char *id = word(r);
    const struct fleet_instance *asked = fleet_next_heartbeat(fleet, now_ms);

    return asked && str_eq(asked->id, id) ? 0 : differs(err, id, asked ? asked->id : "");
}

static int on_plan(struct fleet *fleet, struct reader *r, struct error *err)
{
    autobuf struct buf recorded = BUF_INIT, decided = BUF_INIT;
    struct scaler_plan plan = { 0 };
    int64_t now_ms;
    uint64_t seed;

    buf_addf(&recorded, "plan %s", r->at);
    now_ms = number(r);
    seed = (uint64_t) number(r);
    r->at += strlen(r->at);
    if (scaler_plan(fleet, now_ms, seed, &plan) < 0)
        return -ENOMEM;
    journal_plan(&plan, now_ms, seed, &decided);
    scaler_plan_done(&plan);
    return str_eq(buf_str(&recorded), buf_str(&decided))
               ? 0
               : differs(err, buf_str(&recorded), buf_str(&decided));
}

static const struct {
    const char *word;
    int (*tell)(struct fleet *fleet, struct reader *r, struct error *err);
    bool decides;
} words[] = {
    { "config", on_config, false },
    { "instance", on_instance, false },
    { "counts", on_counts, false },
    { "growth", on_growth, false },
    { "occupy", on_occupy, false },
    { "order", on_order, false },
    { "gone", on_gone, false },

    { "list", on_listed, false },
    { "request", on_request, false },
    { "cancel", on_cancel, false },
    { "increased", on_increased, false },
    { "unanswered", on_unanswered, false },
    { "failed", on_failed, false },
    { "grown", on_grown, false },
    { "drain", on_drain, false },
    { "undrain", on_undrain, false },
    { "hold", on_hold, false },
    { "unhold", on_unhold, false },
    { "health", on_health, false },
    { "answered", on_answered, false },
    { "remove", on_remove, false },
    { "accepted", on_accepted, false },
    { "ready", on_ready, false },
    { "recheck", on_recheck, false },
    { "doubt", on_doubt, false },
    { "dead", on_dead, false },
    { "crash", on_crash, false },
    { "unreserve", on_unreserve, false },
    { "wait", on_wait, false },
    { "leave", on_leave, false },
    { "use", on_use, false },
    { "release", on_release, false },
    { "reserve", on_reserve, true },
    { "assign", on_assign, true },
    { "ask", on_ask, true },
    { "plan", on_plan, true },
};

int replay_new(struct replay **ret)
{
    *ret = mem_zero(sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

void replay_free(struct replay *replay)
{
    if (!replay)
        return;
    fleet_free(replay->fleet);
    free(replay);
}

void replay_count(const struct replay *replay, uint64_t *ret_lines, uint64_t *ret_decisions)
{
    *ret_lines = replay->lines;
    *ret_decisions = replay->decisions;
}

static int begin(struct replay *replay)
{
    static const struct fleet_config unknown = { .capacity = 1 };

    fleet_free(replay->fleet);
    replay->fleet = NULL;
    return fleet_new(&unknown, &replay->fleet);
}

static int tell(struct replay *replay, struct reader *r, struct error *err)
{
    const char *what = word(r);

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        int result;

        if (!str_eq(words[i].word, what))
            continue;
        result = words[i].tell(replay->fleet, r, err);
        replay->decisions += words[i].decides;
        return result == 0 && (r->bad || *r->at) ? -EBADMSG : result;
    }
    return -EBADMSG;
}

int replay_line(struct replay *replay, const char *line, struct error *err)
{
    autofree char *text = mem_strdup(line);
    struct reader r = { .at = text };
    int result;

    if (!text)
        return error_set(err, -ENOMEM, "replay: out of memory");
    replay->lines++;
    if (str_eq(line, "begin"))
        return begin(replay) < 0 ? error_set(err, -ENOMEM, "replay: out of memory") : 0;
    if (!replay->fleet)
        return error_set(err, -EBADMSG, "the journal has lost what was before: %.200s", line);
    result = tell(replay, &r, err);
    if (result == 0)
        return 0;
    fleet_free(replay->fleet);
    replay->fleet = NULL;
    return result == -EILSEQ   ? result
           : result == -ENOMEM ? error_set(err, result, "replay: out of memory")
                               : broken(line, err);
}
