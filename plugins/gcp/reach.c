/* reach.c - what is remembered of the ways to instances, so that Google is asked no more often than need be. */

#include "reach.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/wipe.h"

#define SPARE 16

static void reach_free(struct reach *reach)
{
    flt_wipe(reach->key);
    free(reach->public_line);
    flt_wipe(reach->password);
    free(reach);
}

/* Those of instances that are gone. */
static void drop_old(struct flt_group *g, struct reaches *reaches)
{
    size_t n = 0;

    if (reaches->n <= 2 * g->seen.n + SPARE)
        return;
    for (size_t i = 0; i < reaches->n; i++)
        if (find_member(&g->seen, reaches->items[i]->id))
            reaches->items[n++] = reaches->items[i];
        else
            reach_free(reaches->items[i]);
    reaches->n = n;
}

static struct reach *add(struct reaches *reaches, const char *id)
{
    struct reach **items = realloc(reaches->items, (reaches->n + 1) * sizeof(struct reach *));
    struct reach *reach = calloc(1, sizeof(*reach));

    if (items)
        reaches->items = items;
    if (!items || !reach) {
        free(reach);
        return NULL;
    }
    (void) snprintf(reach->id, sizeof(reach->id), "%s", id);
    items[reaches->n++] = reach;
    return reach;
}

struct reach *reaches_get(struct flt_group *g, const char *id)
{
    if (!g->reaches)
        g->reaches = calloc(1, sizeof(*g->reaches));
    if (!g->reaches)
        return NULL;
    for (size_t i = 0; i < g->reaches->n; i++)
        if (strcmp(g->reaches->items[i]->id, id) == 0)
            return g->reaches->items[i];
    drop_old(g, g->reaches);
    return add(g->reaches, id);
}

void reaches_free(struct reaches *reaches)
{
    if (!reaches)
        return;
    for (size_t i = 0; i < reaches->n; i++)
        reach_free(reaches->items[i]);
    free(reaches->items);
    flt_wipe(reaches->account.key);
    free(reaches->account.public_line);
    free(reaches->account.user);
    flt_host_key_store_done(&reaches->host_keys);
    EVP_PKEY_free(reaches->password_key);
    free(reaches);
}
