/* core/job/trace/filter.c - see the header. */
#include "core/job/trace/filter.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/job/trace/masker.h"
#include "core/job/trace/token_rules.h"
#include "core/job/trace/trace_rules.h"
#include "core/job/trace/url_rules.h"

struct filter {
    struct masker masker;
    struct url_rules url;
    struct token_rules token;
    struct buf masked, no_params; /* scratch: what each stage gives */
};

int filter_new(struct trace *trace, struct filter **ret)
{
    struct trace_rules rules;
    int r = trace_settle_rules(trace, &rules);
    struct filter *filter = r == 0 ? mem_zero(sizeof(*filter)) : NULL;

    if (!filter)
        return r < 0 ? r : -ENOMEM;
    masker_init(&filter->masker, rules.masker);
    filter->token.prefixes = rules.prefixes;
    *ret = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    masker_done(&filter->masker);
    buf_done(&filter->masked);
    buf_done(&filter->no_params);
    free(filter);
}

static int pass_on(struct filter *filter, struct buf *out)
{
    buf_clear(&filter->no_params);
    url_rules_write(&filter->url, filter->masked.data, filter->masked.len, &filter->no_params);
    token_rules_write(&filter->token, filter->no_params.data, filter->no_params.len, out);
    buf_inherit_error(out, &filter->masked);
    buf_inherit_error(out, &filter->no_params);
    return buf_error(out);
}

int filter_write(struct filter *filter, const void *data, size_t len, struct buf *out)
{
    int r;

    buf_clear(&filter->masked);
    r = masker_write(&filter->masker, data, len, &filter->masked);
    return r < 0 ? r : pass_on(filter, out);
}

int filter_show_typed(struct filter *filter, const char *typed, size_t len, struct buf *out)
{
    int r;

    buf_clear(&filter->masked);
    r = masker_show_known(&filter->masker, typed, len, &filter->masked);
    return r < 0 ? r : pass_on(filter, out);
}

int filter_end(struct filter *filter, struct buf *out)
{
    int r;

    buf_clear(&filter->masked);
    r = masker_end(&filter->masker, true, &filter->masked);
    return r < 0 ? r : pass_on(filter, out);
}
