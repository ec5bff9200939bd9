/* core/job/trace/trace_rules.h - what a trace looks for, lent to filter.c. */
#pragma once

#include "core/job/trace/masker.h"
#include "core/job/trace/token_rules.h"
#include "core/job/trace/trace.h"

struct trace_rules {
    const struct masker_rules *masker;
    const struct token_prefixes *prefixes;
};

/* No pattern can be added any more. They live as long as the trace. 0, or why it writes nothing. */
int trace_settle_rules(struct trace *trace, struct trace_rules *ret);
