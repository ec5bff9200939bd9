/* sdk/lib/signal_list.c - see signal_list.h. */
#include "sdk/lib/signal_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "sdk/lib/text.h"

void flt_signal_list_add(struct flt_signal_list *list, const char *id, int64_t at_ms,
                         const char *text)
{
    struct flt_signal_item *grown = realloc(list->items, (list->n + 1) * sizeof(*list->items));

    if (!grown)
        return;
    list->items = grown;
    grown[list->n] = (struct flt_signal_item) { .at_ms = at_ms };
    (void) snprintf(grown[list->n].id, sizeof(grown->id), "%s", id);
    (void) snprintf(grown[list->n].text, sizeof(grown->text), "%s", text);
    flt_text_clean(grown[list->n].text, sizeof(grown->text) - 1); /* a cloud's, and perhaps cut */
    list->n++;
}

int32_t flt_signal_list_emit(const struct flt_signal_list *list, flt_signal_sink sink, void *arg)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct flt_signal_item *at = &list->items[i];
        struct flt_signal out = { .struct_size = sizeof(out),
                                  .code = *at->id ? FLT_E_UNHEALTHY : FLT_E_QUOTA,
                                  .instance = *at->id ? at->id : NULL,
                                  .text = at->text,
                                  .at_ms = at->at_ms };

        if (sink(arg, &out) != 0)
            return FLT_E_CANCELLED;
    }
    return FLT_OK;
}

void flt_signal_list_done(struct flt_signal_list *list)
{
    free(list->items);
    *list = (struct flt_signal_list) { 0 };
}
