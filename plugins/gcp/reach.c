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
    if (reaches->n <= 2 * g->seen.n + SPARE)
        return;
    for (struct reach **at = &reaches->first; *at;) {
        struct reach *reach = *at;

        if (find_member(&g->seen, reach->id)) {
            at = &reach->next;
            continue;
        }
        *at = reach->next;
        reach_free(reach);
        reaches->n--;
    }
}

static struct reach *add(struct reaches *reaches, const char *id)
{
    struct reach *reach = calloc(1, sizeof(*reach));

    if (!reach)
        return NULL;
    (void) snprintf(reach->id, sizeof(reach->id), "%s", id);
    reach->next = reaches->first;
    reaches->first = reach;
    reaches->n++;
    return reach;
}

struct reach *reaches_get(struct flt_group *g, const char *id)
{
    if (!g->reaches)
        g->reaches = calloc(1, sizeof(*g->reaches));
    if (!g->reaches)
        return NULL;
    for (struct reach *reach = g->reaches->first; reach; reach = reach->next)
        if (strcmp(reach->id, id) == 0)
            return reach;
    drop_old(g, g->reaches);
    return add(g->reaches, id);
}

void reaches_free(struct reaches *reaches)
{
    if (!reaches)
        return;
    while (reaches->first) {
        struct reach *reach = reaches->first;

        reaches->first = reach->next;
        reach_free(reach);
    }
    flt_wipe(reaches->account.key);
    free(reaches->account.public_line);
    flt_host_key_store_done(&reaches->host_keys);
    EVP_PKEY_free(reaches->password_key);
    free(reaches);
}
