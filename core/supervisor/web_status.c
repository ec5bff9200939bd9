/* core/supervisor/web_status.c - what the status page shows, as things with keys: "manager", "sample", "group/NAME",
 * "instance/NAME/ID", "job/SEQ". core/web/page/model.js takes them.
 *
 * Written straight into a buffer: a round looks at thousands of things once a second. Nothing in them changes by time
 * alone, or each would be told again each second: they hold when something began, and the page counts. */
#include "core/supervisor/web_page.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/describe.h"
#include "core/supervisor/explain.h"

static void begin_object(struct buf *out)
{
    buf_clear(out);
    buf_add_char(out, '{');
}

static void end_object(struct buf *out)
{
    if (out->len > 1 && out->data[out->len - 1] == ',')
        out->data[out->len - 1] = '}';
    else
        buf_add_char(out, '}');
}

/* Written without a format: half of a round's time went into them. */
static void add_key(struct buf *out, const char *key)
{
    buf_add_char(out, '"');
    buf_add_str(out, key);
    buf_add(out, "\":", 2);
}

/* Most are, and need no second look. */
static bool is_plain(const char *text)
{
    while (*text >= ' ' && *text <= '~')
        text++;
    return !*text;
}

/* Names and sentences come from outside: marks that turn the direction, and control characters, are shown as what they
 * are (hardening.md, case 17). */
static void add_text(struct buf *out, const char *key, const char *text)
{
    autobuf struct buf shown = BUF_INIT;

    add_key(out, key);
    if (is_plain(text)) {
        json_quote(out, text, strlen(text));
    } else {
        str_display(&shown, text, strlen(text), SIZE_MAX);
        json_quote(out, buf_str(&shown), shown.len);
    }
    buf_add_char(out, ',');
}

static void add_number(struct buf *out, const char *key, int64_t value)
{
    add_key(out, key);
    buf_addf(out, "%" PRId64 ",", value);
}

static void add_bool(struct buf *out, const char *key, bool value)
{
    add_key(out, key);
    buf_add_str(out, value ? "true," : "false,");
}

static void add_lines(struct buf *out, const char *key, json_t *lines)
{
    add_key(out, key);
    buf_add_str(out, lines ? json_text(lines) : "[]");
    buf_add_char(out, ',');
}

static void put_manager(const struct supervisor *supervisor, struct web_events *events,
                        struct buf *out)
{
    autojson json_t *problems = describe_problems(supervisor);

    begin_object(out);
    add_text(out, "version", FLOTILLA_VERSION);
    add_text(out, "host", supervisor->system_id);
    add_bool(out, "draining", supervisor->draining);
    add_lines(out, "problems", problems);
    end_object(out);
    web_events_put(events, "manager", out);
}

static void put_sample(const struct supervisor *supervisor, struct web_events *events,
                       struct buf *out)
{
    begin_object(out);
    add_number(out, "at", web_history_last_ms(supervisor->page->history));
    end_object(out);
    web_events_put(events, "sample", out);
}

static void put_group(const struct group *group, size_t order, struct web_events *events,
                      struct buf *out)
{
    autojson json_t *why = json_object_new_array();
    autobuf struct buf problem = BUF_INIT, key = BUF_INIT;
    struct fleet_numbers n = { 0 };

    fleet_count(group->fleet, &n);
    describe_group_problem(group, &problem);
    if (why)
        explain_runner(group, why);
    begin_object(out);
    add_text(out, "name", group->runner->name);
    add_number(out, "order", (int64_t) order);
    add_text(out, "plugin", group->runner->autoscaler.plugin);
    add_number(out, "max", fleet_config_of(group->fleet)->max_instances);
    add_number(out, "waiting", n.waiting);
    add_number(out, "ordered", n.requested + n.pending);
    add_number(out, "price", describe_price_micros(group));
    add_bool(out, "drained", group->drained);
    add_bool(out, "leaving", group->leaving);
    add_text(out, "problem", buf_str(&problem));
    add_lines(out, "why", why);
    end_object(out);
    buf_addf(&key, "group/%s", group->runner->name);
    web_events_put(events, buf_str(&key), out);
}

static void put_instance(const struct group *group, const struct fleet_instance *instance,
                         struct web_events *events, struct buf *out)
{
    autobuf struct buf why = BUF_INIT, key = BUF_INIT;

    (void) describe_instance_reason(group, instance, &why);
    begin_object(out);
    add_text(out, "id", instance->id);
    add_text(out, "runner", group->runner->name);
    add_text(out, "condition", describe_condition(instance));
    add_number(out, "uses", instance->uses);
    add_number(out, "max_uses", fleet_config_of(group->fleet)->max_use_count);
    add_number(out, "since", instance->first_seen_ms);
    add_text(out, "why", buf_str(&why));
    buf_add_str(out, "\"slots\":[");
    for (uint32_t i = 0; i < instance->n_slots; i++)
        buf_addf(out, "%s%" PRId64, i > 0 ? "," : "", instance->slots[i].seq);
    buf_add_char(out, ']');
    end_object(out);
    buf_addf(&key, "instance/%s/%s", group->runner->name, instance->id);
    web_events_put(events, buf_str(&key), out);
}

/* In the words of the page, and since when. */
static const char *phase_of(const struct job *job, int64_t *ret_since_ms)
{
    *ret_since_ms = job->state < JOB_ASSIGNED   ? job->received_ms
                    : job->state < JOB_RUNNING  ? job->assigned_ms
                    : job->state < JOB_FINISHED ? job->started_ms
                                                : job->finished_ms;
    return job->state < JOB_ASSIGNED   ? "waiting"
           : job->state < JOB_RUNNING  ? "starting"
           : job->state < JOB_FINISHED ? "running"
                                       : "ending";
}

static void put_job(const struct job *job, struct web_events *events, struct buf *out)
{
    int64_t since_ms;
    const char *phase = phase_of(job, &since_ms);
    char key[32];

    begin_object(out);
    add_number(out, "seq", job->seq);
    add_number(out, "id", job->job_id);
    add_text(out, "name", job->name);
    add_text(out, "runner", job->group->runner->name);
    add_text(out, "phase", phase);
    add_text(out, "stage", job->stage);
    add_text(out, "result", job->result_state);
    add_number(out, "since", since_ms);
    add_text(out, "instance", job->instance_id);
    add_number(out, "slot", job->slot);
    if (*job->vm)
        add_text(out, "vm", job->vm);
    end_object(out);
    (void) snprintf(key, sizeof(key), "job/%" PRId64, job->seq);
    web_events_put(events, key, out);
}

void web_status_fill(void *arg, struct web_events *events)
{
    const struct supervisor *supervisor = arg;
    autobuf struct buf text = BUF_INIT;

    put_manager(supervisor, events, &text);
    put_sample(supervisor, events, &text);
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];

        put_group(group, i, events, &text);
        for (size_t k = 0; k < fleet_instance_count(group->fleet); k++)
            put_instance(group, fleet_instance_at(group->fleet, k), events, &text);
    }
    for (const struct job *job = supervisor->jobs; job; job = job->next)
        put_job(job, events, &text);
}
