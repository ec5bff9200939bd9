/* helper/http/store.c - see store.h. */
#include "helper/http/store.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

/* A header of ours; the text is taken. */
static int add_made(struct store_place *place, char *text)
{
    char **grown = text ? mem_resize(place->made, place->n_made + 1, sizeof(*grown)) : NULL;

    if (!grown) {
        free(text);
        return -ENOMEM;
    }
    place->made = grown;
    place->made[place->n_made++] = text;
    return option_list_add(&place->headers, text);
}

/* Azure keeps with the object what the metadata says; names there are letters, digits and _. */
static int add_metadata(struct store_place *place, const char *metadata)
{
    autojson json_t *json = NULL;
    int r = 0;

    if (str_empty(metadata) || json_parse(metadata, strlen(metadata), &json, NULL) < 0 ||
        !json_object_is_type(json, json_type_object))
        return 0;
    json_object_object_foreach(json, key, value)
    {
        const char *text = json_object_get_string(value);

        if (r == 0 && text && !strpbrk(text, "\r\n") &&
            key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] ==
                '\0')
            r = add_made(place, mem_printf("x-ms-meta-%s: %s", key, text));
    }
    return r;
}

static int locate_azure(const struct gocloud *url, const struct cache_object *object, bool put,
                        struct store_place *ret, struct error *err)
{
    if (azure_url(url, object->environment, &ret->url, err) < 0)
        return err->code;
    if (put && (add_made(ret, mem_strdup("x-ms-blob-type: BlockBlob")) < 0 ||
                add_metadata(ret, object->metadata) < 0))
        return error_set(err, -ENOMEM, "azblob: out of memory");
    return 0;
}

static int locate_s3(const struct gocloud *url, const struct cache_object *object,
                     const char *method, struct store_place *ret, struct error *err)
{
    struct flt_signed_url signed_url = { 0 };
    int r = s3_sign(url, object, method, &signed_url, err);

    if (r == 0) {
        ret->url = take_ptr(signed_url.url);
        for (size_t i = 0; r == 0 && i < signed_url.n_headers; i++)
            r = add_made(ret, take_ptr(signed_url.headers[i]));
        if (r < 0)
            (void) error_set(err, r, "s3: out of memory");
    }
    flt_signed_url_done(&signed_url);
    return r;
}

static int locate_gocloud(const struct cache_object *object, const char *method,
                          struct store_place *ret, struct error *err)
{
    auto_gocloud struct gocloud url = { 0 };

    if (gocloud_parse(object->gocloud_url, &url, err) < 0)
        return err->code;
    if (str_eq(url.scheme, "azblob"))
        return locate_azure(&url, object, str_eq(method, "PUT"), ret, err);
    if (str_eq(url.scheme, "s3"))
        return locate_s3(&url, object, method, ret, err);
    return error_set(err, -ENOTSUP, "%s: no such store is known; there are azblob and s3",
                     url.scheme);
}

static int locate_signed(const struct cache_object *object, const char *method,
                         struct store_place *ret, struct error *err)
{
    const char *url = str_eq(method, "HEAD") ? object->head_url : object->url;

    if (str_empty(url))
        return error_set(err, -ENOTSUP, "there is no signed URL for %s", method);
    ret->url = mem_strdup(url);
    for (size_t i = 0; str_eq(method, "PUT") && i < object->headers.n; i++)
        if (option_list_add(&ret->headers, object->headers.items[i]) < 0)
            return error_set(err, -ENOMEM, "out of memory");
    return ret->url ? 0 : error_set(err, -ENOMEM, "out of memory");
}

int store_locate(const struct cache_object *object, const char *method, int64_t timeout_ms,
                 struct store_place *ret, struct error *err)
{
    int r;

    *ret = (struct store_place) { 0 };
    r = str_empty(object->gocloud_url) ? locate_signed(object, method, ret, err)
                                       : locate_gocloud(object, method, ret, err);
    ret->object = (struct store_object) { .url = ret->url,
                                          .headers = ret->headers.items,
                                          .n_headers = ret->headers.n,
                                          .timeout_ms = timeout_ms };
    return r;
}

void store_place_done(struct store_place *place)
{
    secret_wipe_str(place->url);
    free(place->url);
    for (size_t i = 0; i < place->n_made; i++)
        free(place->made[i]);
    free(place->made);
    free(place->headers.items);
    *place = (struct store_place) { 0 };
}

char *store_clean_url(const char *url)
{
    const char *host = strstr(url, "://"), *at;
    size_t len = strcspn(url, "?#");

    if (!host)
        return mem_strndup(url, len);
    host += 3;
    at = memchr(host, '@', strcspn(host, "/?#"));
    return mem_printf("%.*s%.*s", (int) (host - url), url, (int) (url + len - (at ? at + 1 : host)),
                      at ? at + 1 : host);
}
