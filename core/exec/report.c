/* core/exec/report.c - the page of report.h, from top to bottom.
 *
 * Bars are SVG rectangles on a scale of 0 to 1000 that is stretched to the page's width; all text is
 * HTML, so that it keeps its size. The bars are hidden from screen readers: the tables say the same. */
#include "core/exec/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/artifact_list.h"
#include "core/exec/table.h"
#include "core/page/page.h"

#define TICKS 4
#define SCALE 1000

/* Beside what all pages have; a state is always told by a word, too. */
static const char report_style[] =
    ".life{height:.4rem}rect{fill:var(--wait)}.ready{fill:var(--faint)}\n"
    ".running{fill:var(--busy)}.passed{fill:var(--good)}.allowed{fill:var(--warn)}"
    ".failed{fill:var(--bad)}\n"
    ".word-passed{color:var(--goodtext)}.word-allowed{color:var(--warntext)}"
    ".word-failed{color:var(--badtext)}\n"
    ".axis{display:grid;grid-template-columns:minmax(8rem,1fr) 3fr;gap:0 1rem;"
    "font-size:.85rem;color:var(--faint)}.ticks{display:flex;justify-content:space-between}\n"
    "ol{margin:0;padding-left:0;list-style:none}li{padding:.15rem 0}\n"
    "@media(max-width:40rem){.axis{grid-template-columns:minmax(0,1fr)}}\n";

struct page {
    struct buf *out;
    const struct report *report;
};

/* Text. */

static const char *class_of(enum pipeline_state state)
{
    switch (state) {
    case PIPELINE_JOB_RUNNING:
        return "running";
    case PIPELINE_JOB_PASSED:
        return "passed";
    case PIPELINE_JOB_ALLOWED:
        return "allowed";
    case PIPELINE_JOB_FAILED:
        return "failed";
    default:
        return "other";
    }
}

static void add_state(struct buf *out, enum pipeline_state state, int exit_code, const char *reason)
{
    buf_addf(out, "<span class=\"word-%s\">%s</span>", class_of(state), pipeline_state_name(state));
    if (exit_code != 0)
        buf_addf(out, ", exit code %d", exit_code);
    else if (!str_empty(reason) && !str_eq(reason, "job_canceled")) {
        buf_add_str(out, ", ");
        page_add_text(out, reason);
    }
}

static void add_seconds(struct buf *out, int64_t from_ms, int64_t to_ms)
{
    char text[32];

    table_seconds(text, sizeof(text), from_ms, to_ms);
    buf_add_str(out, text);
}

static void add_since_begin(const struct page *page, int64_t at_ms)
{
    add_seconds(page->out, at_ms < 0 ? -1 : page->report->history->began_ms, at_ms);
}

/* Bars. */

/* Tenths of the scale, so that a short job of a long run is not lost. */
static int64_t position(const struct page *page, int64_t at_ms)
{
    const struct history *history = page->report->history;
    int64_t total = MAX(history->ended_ms - history->began_ms, 1);

    return MIN(MAX(at_ms - history->began_ms, 0), total) * SCALE * 10 / total;
}

/* `to_ms` -1 = until the end. */
static void add_rect(const struct page *page, const char *class, int64_t from_ms, int64_t to_ms,
                     const char *name)
{
    int64_t from, width;

    if (from_ms < 0)
        return;
    from = position(page, from_ms);
    width = MAX(position(page, to_ms >= 0 ? to_ms : page->report->history->ended_ms) - from, 10);
    buf_addf(page->out,
             "<rect class=\"%s\" x=\"%" PRId64 ".%" PRId64 "\" width=\"%" PRId64 ".%" PRId64
             "\" height=\"10\">",
             class, from / 10, from % 10, width / 10, width % 10);
    if (name) {
        buf_add_str(page->out, "<title>");
        page_add_text(page->out, name);
        buf_add_str(page->out, "</title>");
    }
    buf_add_str(page->out, "</rect>");
}

static void begin_bar(const struct page *page, const char *class)
{
    buf_addf(page->out,
             "<svg class=\"%s\" viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\" "
             "aria-hidden=\"true\">",
             class, SCALE);
}

static void end_bar(const struct page *page)
{
    buf_add_str(page->out, "</svg>");
}

static void add_axis(const struct page *page)
{
    const struct history *history = page->report->history;
    int64_t total = history->ended_ms - history->began_ms;

    buf_add_str(page->out, "<div class=\"axis\" aria-hidden=\"true\"><span></span>"
                           "<span class=\"ticks\">");
    for (int i = 0; i <= TICKS; i++) {
        buf_add_str(page->out, "<span>");
        add_seconds(page->out, 0, total * i / TICKS);
        buf_add_str(page->out, "&nbsp;s</span>");
    }
    buf_add_str(page->out, "</span></div>\n");
}

/* The timeline. */

static void add_slot(const struct page *page, const struct history_instance *instance,
                     unsigned slot)
{
    const struct report *report = page->report;

    begin_bar(page, "slot");
    for (size_t i = 0; i < report->history->n_tries; i++) {
        const struct history_try *attempt = &report->history->tries[i];

        if (attempt->slot == slot && str_eq(attempt->instance, instance->id))
            add_rect(page, class_of(attempt->state), attempt->assigned_ms, attempt->ended_ms,
                     report->pipeline->jobs[attempt->job].job->name);
    }
    end_bar(page);
}

static void add_instance_lane(const struct page *page, const struct history_instance *instance)
{
    buf_add_str(page->out, "<div class=\"lane\"><div>");
    page_add_name(page->out, instance->id);
    buf_add_str(page->out, "</div><div class=\"bars\">");
    begin_bar(page, "life");
    add_rect(page, "starting", instance->appeared_ms, instance->gone_ms, "starting or going");
    if (instance->ready_ms >= 0)
        add_rect(page, "ready", instance->ready_ms,
                 instance->removing_ms >= 0 ? instance->removing_ms : instance->gone_ms, "ready");
    end_bar(page);
    for (unsigned slot = 0; slot < instance->slots; slot++)
        add_slot(page, instance, slot);
    buf_add_str(page->out, "</div></div>\n");
}

static void add_instance_lanes(const struct page *page)
{
    const struct history *history = page->report->history;

    buf_add_str(page->out, "<h2>Instances over time</h2>\n");
    if (history->n_instances == 0) {
        buf_add_str(page->out, "<p>There were none.</p>\n");
        return;
    }
    buf_add_str(page->out,
                "<p class=\"faint\">The thin bar is an instance's life, fainter before and after "
                "it was ready; below it one bar for each slot, with the jobs on it.</p>\n");
    add_axis(page);
    for (size_t i = 0; i < history->n_instances; i++)
        add_instance_lane(page, &history->instances[i]);
}

static void add_job_lane(const struct page *page, size_t index)
{
    const struct history *history = page->report->history;
    const struct pipeline_job *job = &page->report->pipeline->jobs[index];

    buf_add_str(page->out, "<div class=\"lane\"><div>");
    page_add_name(page->out, job->job->name);
    buf_add_str(page->out, " <span class=\"faint\">");
    add_state(page->out, job->state, job->exit_code, job->reason);
    buf_add_str(page->out, "</span></div><div class=\"bars\">");
    begin_bar(page, "job");
    for (size_t i = 0; i < history->n_tries; i++) {
        const struct history_try *attempt = &history->tries[i];

        if (attempt->job != index)
            continue;
        add_rect(page, "waiting", attempt->ready_ms,
                 attempt->started_ms >= 0 ? attempt->started_ms : attempt->ended_ms, "waiting");
        add_rect(page, class_of(attempt->state), attempt->started_ms, attempt->ended_ms,
                 pipeline_state_name(attempt->state));
    }
    end_bar(page);
    buf_add_str(page->out, "</div></div>\n");
}

static void add_job_lanes(const struct page *page)
{
    const struct pipeline *pipeline = page->report->pipeline;

    buf_add_str(page->out, "<h2>Jobs over time</h2>\n"
                           "<p class=\"faint\">Gray is the wait, the colour the run.</p>\n");
    add_axis(page);
    for (size_t stage = 0; stage < pipeline->config->n_stages; stage++) {
        bool first = true;

        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            if (pipeline->jobs[i].job->stage != stage)
                continue;
            if (first) {
                buf_add_str(page->out, "<h3>");
                page_add_name(page->out, pipeline->config->stages[stage]);
                buf_add_str(page->out, "</h3>\n");
            }
            first = false;
            add_job_lane(page, i);
        }
    }
}

/* Tables. */

static void begin_row(const struct page *page, const struct pipeline_job *job)
{
    buf_add_str(page->out, "<tr><th scope=\"row\">");
    page_add_name(page->out, job->job->name);
    buf_add_str(page->out, "</th><td>");
    page_add_name(page->out, page->report->pipeline->config->stages[job->job->stage]);
    buf_add_str(page->out, "</td><td>");
}

static void add_try_row(const struct page *page, const struct history_try *attempt)
{
    struct buf *out = page->out;

    begin_row(page, &page->report->pipeline->jobs[attempt->job]);
    add_state(out, attempt->state, attempt->exit_code, attempt->reason);
    buf_addf(out, "</td><td class=\"number\">%u</td><td class=\"number\">", attempt->number);
    add_seconds(out, attempt->ready_ms,
                attempt->started_ms >= 0 ? attempt->started_ms : attempt->ended_ms);
    buf_add_str(out, "</td><td class=\"number\">");
    add_seconds(out, attempt->started_ms, attempt->ended_ms);
    buf_add_str(out, "</td><td>");
    page_add_name(out, attempt->instance ? attempt->instance : "-");
    if (attempt->instance)
        buf_addf(out, ", slot %u", attempt->slot);
    buf_add_str(out, "</td></tr>\n");
}

/* One row a try; a job that was never tried has one too. */
static void add_job_rows(const struct page *page, size_t index)
{
    const struct history *history = page->report->history;
    const struct pipeline_job *job = &page->report->pipeline->jobs[index];
    size_t tries = 0;

    for (size_t i = 0; i < history->n_tries; i++)
        if (history->tries[i].job == index) {
            add_try_row(page, &history->tries[i]);
            tries++;
        }
    if (tries > 0)
        return;
    begin_row(page, job);
    add_state(page->out, job->state, job->exit_code, job->reason);
    buf_add_str(page->out, "</td><td class=\"number\">-</td><td class=\"number\">-</td>"
                           "<td class=\"number\">-</td><td>-</td></tr>\n");
}

static void add_job_table(const struct page *page)
{
    const struct pipeline *pipeline = page->report->pipeline;

    page_begin_table(
        page->out, "Jobs",
        "<th scope=\"col\">job</th><th scope=\"col\">stage</th><th scope=\"col\">state</th>"
        "<th scope=\"col\" class=\"number\">try</th>"
        "<th scope=\"col\" class=\"number\">wait s</th>"
        "<th scope=\"col\" class=\"number\">run s</th><th scope=\"col\">instance</th>");
    for (size_t stage = 0; stage < pipeline->config->n_stages; stage++)
        for (size_t i = 0; i < pipeline->n_jobs; i++)
            if (pipeline->jobs[i].job->stage == stage)
                add_job_rows(page, i);
    page_end_table(page->out);
}

static void add_instance_table(const struct page *page)
{
    const struct history *history = page->report->history;

    if (history->n_instances == 0)
        return;
    page_begin_table(
        page->out, "Instances",
        "<th scope=\"col\">instance</th><th scope=\"col\" class=\"number\">appeared at s</th>"
        "<th scope=\"col\" class=\"number\">ready at s</th>"
        "<th scope=\"col\" class=\"number\">removed at s</th>"
        "<th scope=\"col\" class=\"number\">gone at s</th>"
        "<th scope=\"col\" class=\"number\">slots</th><th scope=\"col\">removed because</th>");
    for (size_t i = 0; i < history->n_instances; i++) {
        const struct history_instance *instance = &history->instances[i];
        const int64_t times[] = { instance->appeared_ms, instance->ready_ms, instance->removing_ms,
                                  instance->gone_ms };

        buf_add_str(page->out, "<tr><th scope=\"row\">");
        page_add_name(page->out, instance->id);
        buf_add_str(page->out, "</th>");
        for (size_t k = 0; k < ARRAY_LEN(times); k++) {
            buf_add_str(page->out, "<td class=\"number\">");
            add_since_begin(page, times[k]);
            buf_add_str(page->out, "</td>");
        }
        buf_addf(page->out, "<td class=\"number\">%u</td><td>", instance->slots);
        page_add_text(page->out, instance->reason ? instance->reason : "-");
        buf_add_str(page->out, "</td></tr>\n");
    }
    page_end_table(page->out);
}

static void add_artifact_row(void *arg, const char *job, const struct artifact_file *file)
{
    struct buf *out = arg;

    buf_add_str(out, "<tr><th scope=\"row\">");
    page_add_name(out, job);
    buf_addf(out, "</th><td>%s</td><td>", file->type->name);
    page_add_name(out, file->name);
    buf_addf(out, "</td><td class=\"number\">%" PRId64 "</td></tr>\n", file->size);
}

static void add_artifact_table(const struct page *page)
{
    autobuf struct buf rows = BUF_INIT;

    if (page->report->artifacts)
        artifact_list_walk(page->report->pipeline, page->report->artifacts, add_artifact_row,
                           &rows);
    if (rows.len > 0) {
        page_begin_table(page->out, "Artifacts",
                         "<th scope=\"col\">job</th><th scope=\"col\">type</th>"
                         "<th scope=\"col\">file</th>"
                         "<th scope=\"col\" class=\"number\">bytes</th>");
        buf_add(page->out, rows.data, rows.len);
        page_end_table(page->out);
    }
    buf_inherit_error(page->out, &rows);
}

static void add_decisions(const struct page *page)
{
    const struct history *history = page->report->history;

    if (history->n_decisions == 0)
        return;
    buf_add_str(page->out, "<h2>What the scaler decided</h2>\n<ol>\n");
    for (size_t i = 0; i < history->n_decisions; i++) {
        buf_add_str(page->out, "<li><span class=\"faint\">at ");
        add_since_begin(page, history->decisions[i].at_ms);
        buf_add_str(page->out, "&nbsp;s:</span> ");
        page_add_text(page->out, history->decisions[i].text);
        buf_add_str(page->out, "</li>\n");
    }
    buf_add_str(page->out, "</ol>\n");
}

/* The page. */

static int add_head(const struct page *page, struct error *err)
{
    autofree char *title = mem_printf("%s: %s", page->report->title, page->report->verdict);

    return title ? page_begin(page->out, title, report_style, err)
                 : error_set(err, -ENOMEM, "report: out of memory");
}

static void add_summary(const struct page *page)
{
    const struct report *report = page->report;
    size_t n_jobs = report->pipeline->n_jobs, n_instances = report->history->n_instances;

    buf_addf(page->out, "<header>\n<h1>Pipeline <span class=\"word-%s\">%s</span></h1>\n<p>",
             str_eq(report->verdict, "passed") ? "passed" : "failed", report->verdict);
    page_add_name(page->out, report->title);
    buf_addf(page->out, "</p>\n<p class=\"faint\">%s; took ", report->when);
    add_seconds(page->out, report->history->began_ms, report->history->ended_ms);
    buf_addf(page->out, " s; %zu %s, %zu %s</p>\n</header>\n", n_jobs, n_jobs == 1 ? "job" : "jobs",
             n_instances, n_instances == 1 ? "instance" : "instances");
}

int report_format(const struct report *report, struct buf *out, struct error *err)
{
    const struct page page = { out, report };
    int r = add_head(&page, err);

    if (r < 0)
        return r;
    add_summary(&page);
    buf_add_str(out, "<main>\n");
    add_job_lanes(&page);
    add_instance_lanes(&page);
    add_job_table(&page);
    add_instance_table(&page);
    add_artifact_table(&page);
    add_decisions(&page);
    buf_add_str(out, "</main>\n");
    page_end(out);
    return buf_error(out) < 0 ? error_set(err, buf_error(out), "report: out of memory") : 0;
}

int report_write(const struct report *report, const char *file, struct error *err)
{
    autobuf struct buf html = BUF_INIT;
    int r = report_format(report, &html, err);

    return r < 0 ? error_wrap(err, r, "--report %s", file) : page_write_file(file, &html, err);
}
