/* core/simulate/report.c - results as a page of HTML, from top to bottom; plots.c draws.
 *
 * As on the page of exec, pictures are SVG that is stretched to the page's width and all text is HTML,
 * so that it keeps its size. The pictures are hidden from screen readers: the table says the same. */
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/page/page.h"
#include "core/simulate/plots.h"

/* Colours of the configurations are in the order of their places; they also differ by their dashes. */
static const char style[] =
    ":root{--c0:#2f6fd0;--c1:#b3541e;--c2:#2b8a4b;--c3:#8a3fa8;--c4:#a07800;--c5:#0b7f8a;"
    "--c6:#c0325b;--c7:#5c6670;--idle:#e0b040;--going:#c9a5a5}\n"
    "@media(prefers-color-scheme:dark){:root{--c0:#5b98f5;--c1:#e08850;--c2:#4fbf78;--c3:#c080e0;"
    "--c4:#d8b030;--c5:#40b8c4;--c6:#f07098;--c7:#a0aab4;--idle:#b08820;--going:#7a5555}}\n"
    ".plot{display:grid;grid-template-columns:4.5rem minmax(0,1fr);gap:.25rem .5rem;margin:.5rem 0}"
    ".plot svg{height:14rem;margin:0;border-left:1px solid var(--line);"
    "border-bottom:1px solid var(--line)}\n"
    ".ys{display:flex;flex-direction:column;justify-content:space-between;text-align:right}"
    ".xs{display:flex;justify-content:space-between;grid-column:2}"
    ".ys,.xs{font-size:.85rem;color:var(--faint);line-height:1;overflow-wrap:normal}\n"
    ".curve{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
    ".grid{fill:none;stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}\n"
    ".busy{fill:var(--busy);background:var(--busy)}.idle{fill:var(--idle);background:var(--idle)}"
    ".booting{fill:var(--wait);background:var(--wait)}"
    ".going{fill:var(--going);background:var(--going)}\n"
    ".c0{stroke:var(--c0);fill:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1)}"
    ".c2{stroke:var(--c2);fill:var(--c2)}.c3{stroke:var(--c3);fill:var(--c3)}"
    ".c4{stroke:var(--c4);fill:var(--c4)}.c5{stroke:var(--c5);fill:var(--c5)}"
    ".c6{stroke:var(--c6);fill:var(--c6)}.c7{stroke:var(--c7);fill:var(--c7)}\n"
    ".curve.c1,.curve.c5{stroke-dasharray:6 3}.curve.c2,.curve.c6{stroke-dasharray:2 2}"
    ".curve.c3,.curve.c7{stroke-dasharray:8 3 2 3}path.curve{fill:none}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.25rem 0;"
    "list-style:none}.legend svg,.key{display:inline-block;width:1.5rem;height:.7rem;"
    "margin:0 .4rem 0 0}\n"
    "th.sub{padding-left:1rem;font-weight:400}\n";

struct page {
    struct buf *out;
    const struct result *results;
    size_t n;
};

static void add_time(struct buf *out, int64_t at_ms)
{
    time_t at = (time_t) (at_ms / 1000);
    char text[32];
    struct tm utc;

    (void) gmtime_r(&at, &utc);
    (void) strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
    buf_add_str(out, text);
}

static void add_period(struct buf *out, int64_t ms)
{
    double days = (double) ms / (24 * 3600 * 1000.0);

    if (days >= 2)
        buf_addf(out, "%.*f days", days == floor(days) ? 0 : 1, days);
    else
        format_duration(out, ms);
}

static void add_summary(const struct page *page)
{
    const struct result *first = &page->results[0];

    buf_add_str(page->out, "<header>\n<h1>Simulated instances</h1>\n<p>");
    for (size_t i = 0; i < page->n; i++) {
        buf_add_str(page->out, i > 0 ? ", " : "");
        page_add_name(page->out, page->results[i].name);
    }
    buf_addf(page->out, "</p>\n<p class=\"faint\">%" PRIu64 " %s arrived in ", first->arrived,
             first->arrived == 1 ? "job" : "jobs");
    add_period(page->out, first->end_ms - first->begin_ms);
    buf_add_str(page->out, ", from ");
    add_time(page->out, first->begin_ms);
    buf_add_str(page->out, " on.</p>\n</header>\n");
}

/* The numbers: the rows of the table on the terminal. */

static void add_row(void *arg, const char *label, char (*cells)[RESULT_CELL_SIZE])
{
    const struct page *page = arg;
    bool sub = str_starts(label, "  ");

    buf_addf(page->out, "<tr><th scope=\"row\"%s>%s</th>", sub ? " class=\"sub\"" : "",
             sub ? label + 2 : label);
    for (size_t i = 0; i < page->n; i++)
        buf_addf(page->out, "<td class=\"number\">%s</td>", cells[i]);
    buf_add_str(page->out, "</tr>\n");
}

static void add_numbers(struct page *page)
{
    autobuf struct buf columns = BUF_INIT;

    buf_add_str(&columns, "<th scope=\"col\">configuration</th>");
    for (size_t i = 0; i < page->n; i++) {
        buf_add_str(&columns, "<th scope=\"col\" class=\"number\">");
        page_add_name(&columns, page->results[i].name);
        buf_add_str(&columns, "</th>");
    }
    buf_inherit_error(page->out, &columns);
    page_begin_table(page->out, "Numbers", buf_str(&columns));
    result_each_row(page->results, page->n, add_row, page);
    page_end_table(page->out);
}

/* Legends. */

static void add_results_legend(const struct page *page)
{
    buf_add_str(page->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < page->n; i++) {
        buf_addf(page->out,
                 "<li><svg viewBox=\"0 0 20 10\" aria-hidden=\"true\"><path class=\"curve c%zu\" "
                 "d=\"M0 5H20\"/></svg>",
                 i);
        page_add_name(page->out, page->results[i].name);
        buf_add_str(page->out, "</li>\n");
    }
    buf_add_str(page->out, "</ul>\n");
}

static void add_uses_legend(const struct page *page)
{
    buf_add_str(page->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < INSTANCE_USES; i++) {
        const char *name = instance_use_name(plot_uses[i]);

        buf_addf(page->out, "<li><span class=\"key %s\"></span>%s</li>\n", name, name);
    }
    buf_add_str(page->out, "</ul>\n");
}

/* Sections. */

static void add_waits(const struct page *page)
{
    buf_add_str(page->out, "<h2>How long jobs waited</h2>\n"
                           "<p class=\"faint\">The share of jobs that had a slot after at most so "
                           "long: the higher and the further left, the better.</p>\n");
    add_results_legend(page);
    plot_waits(page->out, page->results, page->n);
    buf_add_str(page->out, "<h3>Of all jobs, so many waited</h3>\n");
    plot_histogram(page->out, page->results, page->n);
}

static void add_queue(const struct page *page)
{
    buf_add_str(page->out, "<h2>The queue over time</h2>\n<p class=\"faint\">Jobs without a "
                           "slot, at GitLab and here.</p>\n");
    add_results_legend(page);
    plot_queue(page->out, page->results, page->n);
}

static void add_instances(const struct page *page)
{
    buf_add_str(page->out, "<h2>Instances over time</h2>\n<p class=\"faint\">All on one scale; "
                           "each point is the mean of its stretch of time.</p>\n");
    add_uses_legend(page);
    for (size_t i = 0; i < page->n; i++) {
        buf_add_str(page->out, "<h3>");
        page_add_name(page->out, page->results[i].name);
        buf_add_str(page->out, "</h3>\n");
        plot_instances(page->out, page->results, page->n, i);
    }
}

static void add_cost(const struct page *page)
{
    bool priced = plot_is_priced(page->results, page->n);

    buf_addf(page->out, "<h2>%s</h2>\n<p class=\"faint\">%s</p>\n",
             priced ? "Cost" : "Hours paid for",
             priced ? "What the instances had cost until then, without what is only billed as a "
                      "minimum or a step."
                    : "Of instances, until then; --price makes money of them.");
    add_results_legend(page);
    plot_cost(page->out, page->results, page->n);
}

static void add_waste(const struct page *page)
{
    buf_add_str(page->out, "<h2>Waste</h2>\n<p class=\"faint\">What the instances' time went "
                           "into; all that is not busy is waste.</p>\n");
    add_uses_legend(page);
    plot_waste(page->out, page->results, page->n);
}

int result_report(const struct result *results, size_t n, struct buf *out, struct error *err)
{
    struct page page = { out, results, n };
    int r = page_begin(out, "Simulated instances", style, err);

    if (r < 0)
        return r;
    add_summary(&page);
    buf_add_str(out, "<main>\n");
    add_waits(&page);
    add_queue(&page);
    add_instances(&page);
    add_cost(&page);
    add_waste(&page);
    add_numbers(&page);
    buf_add_str(out, "</main>\n");
    page_end(out);
    return buf_error(out) < 0 ? error_set(err, buf_error(out), "report: out of memory") : 0;
}
