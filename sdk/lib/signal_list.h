/* sdk/lib/signal_list.h - what a provider has found out for its slot `signals`, kept until it looks again. Used by
 * plugins/aws and plugins/gcp.
 */
#ifndef FLOTILLA_LIB_SIGNAL_LIST_H
#define FLOTILLA_LIB_SIGNAL_LIST_H

#include <flotilla/provider.h>
#include <stddef.h>
#include <stdint.h>

struct flt_signal_item {
    char id[128]; /* "" = growth, which fails; else an instance, which goes */
    char text[512];
    int64_t at_ms; /* as flt_signal.at_ms */
};

struct flt_signal_list {
    struct flt_signal_item *items;
    size_t n;
};

/* Without memory it is left out: it is found again at the next look. */
void flt_signal_list_add(struct flt_signal_list *list, const char *id, int64_t at_ms,
                         const char *text);
int32_t flt_signal_list_emit(const struct flt_signal_list *list, flt_signal_sink sink, void *arg);
void flt_signal_list_done(struct flt_signal_list *list); /* empty, and usable again */

#endif
