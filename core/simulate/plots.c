/* core/simulate/plots.c - the pictures of plots.h.
 *
 * Every picture has the same inner scale, 1000 to 1000, and is stretched to its place. */
#include "core/simulate/plots.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "core/base/str.h"
#include "core/page/page.h"

#define SCALE 1000.0
#define TICKS 4
#define HOUR_MS 3600000.0
#define DAY_MS (24 * HOUR_MS)

const enum instance_use plot_uses[INSTANCE_USES] = { USE_BUSY, USE_IDLE, USE_BOOTING, USE_GOING };

/* Scales. */

/* The least that is not below and that a quarter is even of: 4, 8, 12, 20, 40, … */
static double round_up(double value)
{
    static const double steps[] = { 1.2, 2, 4, 8, 12 };
    double power = pow(10, floor(log10(value)));
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(steps) && value > steps[i] * power * (1 + 1e-9))
        i++;
    return steps[i] * power;
}

static void add_y_scale(struct buf *out, double top, const char *unit)
{
    buf_add_str(out, "<div class=\"plot\"><div class=\"ys\" aria-hidden=\"true\">");
    for (int i = TICKS; i >= 0; i--)
        buf_addf(out, "<span>%.*f%s</span>", top < TICKS ? 2 : 0, top * i / TICKS, unit);
    buf_add_str(out, "</div><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" "
                     "aria-hidden=\"true\">");
    for (int i = 1; i < TICKS; i++)
        buf_addf(out, "<path class=\"grid\" d=\"M0 %.0fH1000\"/>", SCALE * i / TICKS);
}

static void end_plot(struct buf *out)
{
    buf_add_str(out, "</div></div>\n");
}

static void add_time_scale(struct buf *out, const struct result *result)
{
    int64_t whole = result->end_ms - result->begin_ms;

    buf_add_str(out, "</svg><div class=\"xs\" aria-hidden=\"true\">");
    for (int i = 0; i <= TICKS; i++) {
        time_t at = (time_t) ((result->begin_ms + whole * i / TICKS) / 1000);
        char text[32];
        struct tm utc;

        (void) gmtime_r(&at, &utc);
        (void) strftime(text, sizeof(text), (double) whole > 4 * DAY_MS ? "%m-%d" : "%m-%d %H:%M",
                        &utc);
        buf_addf(out, "<span>%s</span>", text);
    }
    end_plot(out);
}

static double x_of_span(size_t i)
{
    return SCALE * (double) i / RESULT_SPANS;
}

static double span_ms(const struct result *result)
{
    return (double) (result->end_ms - result->begin_ms) / RESULT_SPANS;
}

/* Waits: on a scale of powers of ten, because seconds matter as much as hours. */

#define SHORTEST_MS 100.0
#define WAIT_POINTS 250

static int decades(const struct result *results, size_t n)
{
    double longest = 10 * SHORTEST_MS;

    for (size_t i = 0; i < n; i++)
        longest = fmax(longest, (double) result_wait_ms(&results[i], 1));
    return (int) ceil(log10(longest / SHORTEST_MS) - 1e-9);
}

static void add_wait_curve(struct buf *out, const struct result *result, size_t which,
                           int n_decades)
{
    buf_addf(out, "<path class=\"curve c%zu\" d=\"", which);
    for (int i = 0; i <= WAIT_POINTS; i++) {
        double share = (double) i / WAIT_POINTS;
        int64_t wait_ms = (int64_t) (SHORTEST_MS * pow(10, n_decades * share));

        buf_addf(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', SCALE * share,
                 SCALE * (1 - result_share_within(result, wait_ms)));
    }
    buf_add_str(out, "\"/>");
}

void plot_waits(struct buf *out, const struct result *results, size_t n)
{
    int n_decades = decades(results, n);

    add_y_scale(out, 100, " %");
    for (size_t i = 0; i < n; i++)
        add_wait_curve(out, &results[i], i, n_decades);
    buf_add_str(out, "</svg><div class=\"xs\" aria-hidden=\"true\">");
    for (int i = 0; i <= n_decades; i++)
        buf_addf(out, "<span>%g&nbsp;s</span>", SHORTEST_MS * pow(10, i) / 1000);
    end_plot(out);
}

static const struct {
    const char *label;
    int64_t up_to_ms;
} bins[] = {
    { "at most 1 s", 1000 },    { "1 s to 10 s", 10000 }, { "10 s to 30 s", 30000 },
    { "30 s to 1 min", 60000 }, { "1 to 2 min", 120000 }, { "2 to 5 min", 300000 },
    { "5 to 15 min", 900000 },  { "longer", INT64_MAX },
};

void plot_histogram(struct buf *out, const struct result *results, size_t n)
{
    for (size_t bin = 0; bin < ARRAY_LEN(bins); bin++) {
        buf_addf(out, "<div class=\"lane\"><div>%s <span class=\"faint\">", bins[bin].label);
        for (size_t pass = 0; pass < 2; pass++) {
            if (pass == 1)
                buf_add_str(out, "</span></div><div class=\"bars\">");
            for (size_t i = 0; i < n; i++) {
                double below =
                    bin > 0 ? result_share_within(&results[i], bins[bin - 1].up_to_ms) : 0;
                double share = result_share_within(&results[i], bins[bin].up_to_ms) - below;

                if (pass == 0)
                    buf_addf(out, "%s%.1f&nbsp;%%", i > 0 ? ", " : "", share * 100);
                else
                    buf_addf(out,
                             "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" "
                             "aria-hidden=\"true\"><rect class=\"c%zu\" width=\"%.1f\" "
                             "height=\"10\"/></svg>",
                             i, SCALE * share);
            }
        }
        buf_add_str(out, "</div></div>\n");
    }
}

/* The queue. */

static double waiting_in_span(const struct result *result, size_t span)
{
    return (double) result->spans[span].waiting_ms / span_ms(result);
}

void plot_queue(struct buf *out, const struct result *results, size_t n)
{
    double top = 1;

    for (size_t i = 0; i < n; i++)
        for (size_t span = 0; span < RESULT_SPANS; span++)
            top = fmax(top, waiting_in_span(&results[i], span));
    top = round_up(top);
    add_y_scale(out, top, "");
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "<path class=\"curve c%zu\" d=\"M0 1000", i);
        for (size_t span = 0; span < RESULT_SPANS; span++)
            buf_addf(out, "L%.1f %.1fH%.1f", x_of_span(span),
                     SCALE * (1 - waiting_in_span(&results[i], span) / top), x_of_span(span + 1));
        buf_add_str(out, "\"/>");
    }
    add_time_scale(out, &results[0]);
}

/* Instances. */

static double mean_in_span(const struct result *result, size_t span, size_t n_uses)
{
    double sum = 0;

    for (size_t i = 0; i < n_uses; i++)
        sum += (double) result->spans[span].use_ms[plot_uses[i]];
    return sum / span_ms(result);
}

static double most_instances(const struct result *results, size_t n)
{
    double most = 1;

    for (size_t i = 0; i < n; i++)
        for (size_t span = 0; span < RESULT_SPANS; span++)
            most = fmax(most, mean_in_span(&results[i], span, INSTANCE_USES));
    return round_up(most);
}

/* The area between what lies below it in the stack and its own top, in steps. */
static void add_area(struct buf *out, const struct result *result, size_t layer, double top)
{
    buf_addf(out, "<path class=\"%s\" d=\"M0 1000", instance_use_name(plot_uses[layer]));
    for (size_t span = 0; span < RESULT_SPANS; span++)
        buf_addf(out, "L%.1f %.1fH%.1f", x_of_span(span),
                 SCALE * (1 - mean_in_span(result, span, layer + 1) / top), x_of_span(span + 1));
    buf_add_str(out, "V1000Z\"/>");
}

void plot_instances(struct buf *out, const struct result *results, size_t n, size_t which)
{
    double top = most_instances(results, n);

    add_y_scale(out, top, "");
    /* Each area reaches down to the ground: the lower ones are painted over the upper ones. */
    for (size_t layer = INSTANCE_USES; layer-- > 0;)
        add_area(out, &results[which], layer, top);
    add_time_scale(out, &results[which]);
}

/* Cost. */

bool plot_is_priced(const struct result *results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (results[i].price_micros_hour > 0)
            return true;
    return false;
}

/* Hours, or money. */
static double worth(const struct result *result, bool priced, double paid_ms)
{
    return paid_ms / HOUR_MS * (priced ? (double) result->price_micros_hour / 1e6 : 1);
}

static double paid_until(const struct result *result, size_t n_spans)
{
    double sum = 0;

    for (size_t i = 0; i < n_spans; i++)
        sum += (double) result->spans[i].paid_ms;
    return sum;
}

static void add_cost_curve(struct buf *out, const struct result *result, size_t which, bool priced,
                           double top)
{
    double paid_ms = 0;

    buf_addf(out, "<path class=\"curve c%zu\" d=\"M0 1000", which);
    for (size_t i = 0; i < RESULT_SPANS; i++) {
        paid_ms += (double) result->spans[i].paid_ms;
        buf_addf(out, "L%.1f %.1f", x_of_span(i + 1),
                 SCALE * (1 - worth(result, priced, paid_ms) / top));
    }
    buf_add_str(out, "\"/>");
}

void plot_cost(struct buf *out, const struct result *results, size_t n)
{
    bool priced = plot_is_priced(results, n);
    double top = 0.01;

    for (size_t i = 0; i < n; i++)
        top = fmax(top, worth(&results[i], priced, paid_until(&results[i], RESULT_SPANS)));
    top = round_up(top);
    add_y_scale(out, top, priced ? "" : " h");
    for (size_t i = 0; i < n; i++)
        add_cost_curve(out, &results[i], i, priced, top);
    add_time_scale(out, &results[0]);
}

/* Waste. */

void plot_waste(struct buf *out, const struct result *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double whole = fmax((double) result_instances_ms(&results[i]), 1), x = 0;

        buf_add_str(out, "<div class=\"lane\"><div>");
        page_add_name(out, results[i].name);
        for (size_t layer = 0; layer < INSTANCE_USES; layer++)
            buf_addf(out, "%s%s&nbsp;%.1f&nbsp;%%", layer > 0 ? ", " : " <span class=\"faint\">",
                     instance_use_name(plot_uses[layer]),
                     100 * (double) results[i].use_ms[plot_uses[layer]] / whole);
        buf_add_str(out, "</span></div><div class=\"bars\"><svg viewBox=\"0 0 1000 10\" "
                         "preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        for (size_t layer = 0; layer < INSTANCE_USES; layer++) {
            double width = SCALE * (double) results[i].use_ms[plot_uses[layer]] / whole;

            buf_addf(out, "<rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" height=\"10\"/>",
                     instance_use_name(plot_uses[layer]), x, width);
            x += width;
        }
        buf_add_str(out, "</svg></div></div>\n");
    }
}
