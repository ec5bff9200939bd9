/* sdk/lib/signed_url.c - what the signers have in common. */
#include "sdk/lib/signing.h"
#include "sdk/lib/wipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME_MAX_S (7 * 24 * 3600)

void flt_signed_url_done(struct flt_signed_url *url)
{
    flt_wipe(url->url);
    for (size_t i = 0; i < url->n_headers; i++)
        flt_wipe(url->headers[i]);
    *url = (struct flt_signed_url) { 0 };
}

int64_t flt_lifetime(int64_t lifetime_s)
{
    if (lifetime_s < 1)
        return 1;
    return lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S;
}

int flt_add_header(struct flt_signed_url *url, const char *name, const char *value)
{
    struct flt_text text;

    if (url->n_headers == FLT_SIGNED_HEADERS_MAX)
        return -ENOBUFS;
    flt_text_open(&text);
    flt_text_add(&text, "%s: %s", name, value);
    url->headers[url->n_headers] = flt_text_take(&text);
    if (!url->headers[url->n_headers])
        return -ENOMEM;
    url->n_headers++;
    return 0;
}

int flt_add_label(struct flt_signed_url *url, const char *name, const struct flt_object *object)
{
    struct flt_text text;
    char *value;
    int r;

    if (!object->label || strcmp(object->method, "PUT") != 0)
        return 0;
    flt_text_open(&text);
    flt_text_add_encoded(&text, object->label, 1); /* not all bytes can stand in a header */
    value = flt_text_take(&text);
    r = value ? flt_add_header(url, name, value) : -ENOMEM;
    free(value);
    return r;
}
