/* helper/http/s3.c - an object of Amazon S3 by temporary credentials: sdk/lib signs a URL for the one
 * request (job-execution.md 5.4). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "helper/http/store.h"

#define LIFETIME_S 3600

/* What the query of the URL says of the store; texts are the caller's to free. */
struct settings {
    char *endpoint, *region, *encryption, *encryption_key;
};

static void settings_done(struct settings *settings)
{
    free(settings->endpoint);
    free(settings->region);
    free(settings->encryption);
    free(settings->encryption_key);
}
#define auto_settings __attribute__((cleanup(settings_done)))

static bool is_set(const struct gocloud *url, const char *name)
{
    autofree char *value = gocloud_setting(url, name);

    return str_eq(value, "true") || str_eq(value, "1");
}

/* The endpoint may be a URL, whose scheme tells what `disable_https` tells without one. */
static void set_server(struct flt_s3 *store, const struct settings *settings)
{
    const char *host = settings->endpoint ? strstr(settings->endpoint, "://") : NULL;

    store->server = host ? host + 3 : settings->endpoint;
    if (host)
        store->insecure = str_starts(settings->endpoint, "http://");
}

static void read_settings(const struct gocloud *url, struct settings *settings,
                          struct flt_s3 *store)
{
    settings->endpoint = gocloud_setting(url, "endpoint");
    settings->region = gocloud_setting(url, "region");
    settings->encryption = gocloud_setting(url, "ssetype");
    settings->encryption_key = gocloud_setting(url, "kmskeyid");
    store->insecure = is_set(url, "disable_https") || is_set(url, "disableSSL");
    store->dual_stack = is_set(url, "dualstack");
    store->accelerate = is_set(url, "accelerate");
    store->path_style = is_set(url, "use_path_style") || is_set(url, "s3ForcePathStyle") ? 1 : -1;
    store->region = settings->region;
    store->encryption = settings->encryption;
    store->encryption_key = settings->encryption_key;
    set_server(store, settings);
}

int s3_sign(const struct gocloud *url, const struct cache_object *object, const char *method,
            struct flt_signed_url *ret, struct error *err)
{
    auto_settings struct settings settings = { 0 };
    autojson json_t *metadata = NULL;
    struct flt_s3 store = { .bucket = url->container };
    struct flt_object what = { .method = method,
                               .name = url->object,
                               .now_s = clock_wall_ms(&clock_system) / 1000,
                               .lifetime_s = LIFETIME_S };
    int r;

    store.access_key = env_file_get(object->environment, "AWS_ACCESS_KEY_ID");
    store.secret_key = env_file_get(object->environment, "AWS_SECRET_ACCESS_KEY");
    store.session_token = env_file_get(object->environment, "AWS_SESSION_TOKEN");
    if (str_empty(store.access_key) || str_empty(store.secret_key))
        return error_set(err, -EINVAL,
                         "s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing in "
                         "--env-file");
    if (!str_empty(object->metadata) &&
        json_parse(object->metadata, strlen(object->metadata), &metadata, NULL) == 0)
        (void) json_opt_str(metadata, "cachekey", &what.label, NULL);
    read_settings(url, &settings, &store);
    r = flt_s3_sign(&store, &what, ret);
    return r < 0 ? error_errno(err, r, "s3: the request can't be signed") : 0;
}
