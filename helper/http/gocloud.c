/* helper/http/gocloud.c - see gocloud.h. */
#include "helper/http/gocloud.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* The caller frees. */
static char *decode(const char *text, size_t len)
{
    int decoded_len = 0;
    char *decoded = curl_easy_unescape(NULL, text, (int) len, &decoded_len), *copy = NULL;

    if (decoded && memchr(decoded, '\0', (size_t) decoded_len) == NULL)
        copy = mem_strndup(decoded, (size_t) decoded_len);
    curl_free(decoded);
    return copy;
}

int gocloud_parse(const char *url, struct gocloud *ret, struct error *err)
{
    size_t scheme_len = strcspn(url, ":"), container_len, object_len;
    const char *container = url + scheme_len + 3, *object;

    *ret = (struct gocloud) { 0 };
    if (scheme_len >= sizeof(ret->scheme) || strncmp(url + scheme_len, "://", 3) != 0)
        return error_set(err, -EINVAL, "'%.40s' is no URL of an object", url);
    memcpy(ret->scheme, url, scheme_len);
    container_len = strcspn(container, "/?");
    object = container + container_len;
    object += strspn(object, "/");
    object_len = strcspn(object, "?");
    ret->query = object[object_len] ? object + object_len + 1 : "";
    if (container_len == 0 || object_len == 0)
        return error_set(err, -EINVAL, "no object name provided");
    ret->container = decode(container, container_len);
    ret->object = decode(object, object_len);
    if (!ret->container || !ret->object) {
        gocloud_done(ret);
        return error_set(err, -EINVAL, "%s: a name can't be decoded", ret->scheme);
    }
    return 0;
}

void gocloud_done(struct gocloud *url)
{
    free(url->container);
    free(url->object);
    url->container = url->object = NULL;
}

char *gocloud_setting(const struct gocloud *url, const char *name)
{
    size_t name_len = strlen(name);

    for (const char *at = url->query; *at; at += strcspn(at, "&"), at += *at == '&')
        if (strncmp(at, name, name_len) == 0 && at[name_len] == '=')
            return decode(at + name_len + 1, strcspn(at + name_len + 1, "&"));
    return NULL;
}
