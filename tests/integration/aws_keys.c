/* tests/integration/aws_keys.c - asks sdk/lib's chain for keys for AWS and for the region, in this process's environment,
 * for tests/integration/test_aws_credentials.py.
 *
 * aws_keys SETTINGS: an object with profile, config_file, credentials_file, region, sts_endpoint, dual_stack, fips,
 * imds_endpoint, imds_v1, and the seconds that our clock is "ahead".
 * Prints {"access","secret","token","expires","source"} or {"code","error"}, with "trace", "region", "region_source" and
 * "region_error". */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sdk/lib/aws_credentials.h"
#include "sdk/lib/json.h"
#include "tests/integration/host_run.h"

static struct json_object *settings;

static void add(struct json_object *object, const char *name, const char *text)
{
    (void) json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

static void take_trace(void *arg, const char *text)
{
    (void) json_object_array_add(arg, json_object_new_string(text));
}

static int64_t wall_clock(void *arg)
{
    int64_t ahead_s = 0;
    char error[FLT_ERROR_MAX];

    (void) arg;
    if (flt_json_opt_i64(settings, "ahead", -86400, 86400, &ahead_s, error) < 0)
        abort();
    return (int64_t) time(NULL) + ahead_s;
}

static struct flt_aws_chain *make_chain(struct json_object *trace)
{
    const struct flt_aws_settings wanted = {
        .profile = flt_json_text(settings, "profile"),
        .config_file = flt_json_text(settings, "config_file"),
        .credentials_file = flt_json_text(settings, "credentials_file"),
        .region = flt_json_text(settings, "region"),
        .sts_endpoint = flt_json_text(settings, "sts_endpoint"),
        .dual_stack = flt_json_find(settings, "dual_stack") != NULL,
        .fips = flt_json_find(settings, "fips") != NULL,
        .imds_endpoint = flt_json_text(settings, "imds_endpoint"),
        .imds_v1 = flt_json_find(settings, "imds_v1") != NULL,
        .run = host_run,
        .trace = take_trace,
        .arg = trace,
        .now_s = wall_clock,
    };

    return flt_aws_chain_new(&wanted);
}

static void tell_keys(struct flt_aws_chain *chain, struct flt_http *http, struct json_object *told)
{
    const struct flt_aws_keys *keys = NULL;
    char error[FLT_ERROR_MAX] = "";
    int32_t code = flt_aws_chain_keys(chain, http, NULL, &keys, error);

    (void) json_object_object_add(told, "code", json_object_new_int(code));
    add(told, "error", error);
    if (code != FLT_OK)
        return;
    add(told, "access", keys->access_key);
    add(told, "secret", keys->secret_key);
    add(told, "token", keys->session_token);
    add(told, "source", keys->source);
    (void) json_object_object_add(told, "expires", json_object_new_int64(keys->expires_s));
}

static void tell_region(struct flt_aws_chain *chain, struct flt_http *http,
                        struct json_object *told)
{
    const char *region = NULL, *source = NULL;
    char error[FLT_ERROR_MAX] = "";

    (void) flt_aws_chain_region(chain, http, NULL, &region, &source, error);
    add(told, "region", region);
    add(told, "region_source", source);
    add(told, "region_error", error);
}

int main(int argc, char **argv)
{
    struct json_object *told = json_object_new_object(), *trace = json_object_new_array();
    struct flt_http *http = flt_http_new("flotilla-test");
    char error[FLT_ERROR_MAX];
    struct flt_aws_chain *chain;
    int failed;

    if (argc != 2 || !http || flt_json_parse(argv[1], strlen(argv[1]), &settings, error) < 0)
        return 2;
    chain = make_chain(trace);
    tell_keys(chain, http, told);
    tell_region(chain, http, told);
    (void) json_object_object_add(told, "trace", trace);
    failed = puts(json_object_to_json_string(told)) < 0;
    flt_aws_chain_free(chain);
    flt_http_free(http);
    json_object_put(told);
    json_object_put(settings);
    return failed;
}
