/* tests/integration/sign_url.c - signs for one object of the cache store of a configuration's first runner, for the
 * tests that compare with the stores' own libraries.
 *
 * sign_url CONFIG METHOD NAME NOW LIFETIME: prints {"url":…,"headers":[…]} */
#include <stdio.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/config/config.h"
#include "core/supervisor/cache_store.h"

static int print(const struct flt_signed_url *url)
{
    autojson json_t *json = json_object_new_object();
    json_t *headers = json_object_new_array();

    for (size_t i = 0; i < url->n_headers; i++)
        (void) json_object_array_add(headers, json_object_new_string(url->headers[i]));
    (void) json_add_str(json, "url", url->url);
    (void) json_add(json, "headers", headers);
    return puts(json_text(json)) < 0;
}

struct wish {
    const char *method, *name;
    int64_t now_s, lifetime_s;
};

static int sign(const struct config *config, const struct wish *wish)
{
    struct cache_store *store = cache_store_open(&config->runners[0].cache);
    const struct cache_object object = { .short_token = "t1_abcdef",
                                         .project_id = 42,
                                         .name = wish->name };
    struct flt_signed_url url;
    struct error err = { 0 };
    int r =
        cache_store_sign(store, &object, wish->method, wish->now_s, wish->lifetime_s, &url, &err);

    if (r < 0)
        (void) fprintf(stderr, "%s\n", err.message);
    else
        r = print(&url);
    flt_signed_url_done(&url);
    cache_store_close(store);
    return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    struct wish wish;
    int r;

    if (argc != 6 || parse_i64(argv[4], 0, INT64_MAX, &wish.now_s) < 0 ||
        parse_i64(argv[5], 0, INT64_MAX, &wish.lifetime_s) < 0)
        return 2;
    wish.method = argv[2];
    wish.name = argv[3];
    r = config_load(argv[1], NULL, &config, &findings, &err);
    if (r < 0)
        (void) fprintf(stderr, "sign_url: %s\n", err.message);
    config_findings_done(&findings);
    return r < 0 ? 2 : sign(config, &wish);
}
