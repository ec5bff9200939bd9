/* core/simulate/plots.h - the pictures of the report: SVG with its scales as text beside it. */
#pragma once

#include "core/simulate/result.h"

/* From the bottom of a stack to its top. */
extern const enum instance_use plot_uses[INSTANCE_USES];
bool plot_is_priced(const struct result *results, size_t n);

void plot_waits(struct buf *out, const struct result *results, size_t n);
void plot_histogram(struct buf *out, const struct result *results, size_t n);
void plot_queue(struct buf *out, const struct result *results, size_t n);
/* Of one, on the scale of all. */
void plot_instances(struct buf *out, const struct result *results, size_t n, size_t which);
void plot_cost(struct buf *out, const struct result *results, size_t n);
void plot_waste(struct buf *out, const struct result *results, size_t n);
