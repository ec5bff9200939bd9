/* sdk/lib/aws_source_imds.c - keys of the role of the EC2 instance that this runs on, and its region: the instance
 * metadata service, version 2.
 *
 * Version 1 answers without a token, so whoever makes a program on the instance fetch a URL gets the keys; it is asked
 * only where the settings allow it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sdk/lib/aws_keys.h"
#include "sdk/lib/json.h"

#define URL_BYTES 1024
#define TOKEN_BYTES 1024
#define ANSWER_MAX ((size_t) 64 * 1024)
/* Where there is no such service a packet to its address is lost. */
#define CONNECT_MS 1000
/* The answer with the token is lost where it would pass more routers than it may; others are not. */
#define TOKEN_MS 5000
#define TIMEOUT_MS 20000
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define DOCUMENT "/latest/dynamic/instance-identity/document"
#define HEADER "X-aws-ec2-metadata-token: "

struct imds {
    struct flt_aws_ask *ask;
    char base[URL_BYTES];
    char header[sizeof(HEADER) + TOKEN_BYTES]; /* "" = version 1 */
};

static const char *find_base(const struct flt_aws_settings *settings)
{
    const char *set = settings->imds_endpoint;
    const char *mode = flt_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (!set)
        set = flt_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (set)
        return set;
    return mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                 : "http://169.254.169.254";
}

static int32_t fetch(struct imds *imds, int is_token, const char *path, const char *header,
                     struct flt_http_answer *ret)
{
    char url[URL_BYTES * 2];
    const struct flt_http_request request = { .method = is_token ? "PUT" : "GET",
                                              .url = url,
                                              .headers = &header,
                                              .n_headers = *header != '\0',
                                              .timeout_ms = is_token ? TOKEN_MS : TIMEOUT_MS,
                                              .connect_ms = CONNECT_MS,
                                              .max_bytes = ANSWER_MAX,
                                              .direct = 1 };

    (void) snprintf(url, sizeof(url), "%s%s", imds->base, path);
    return flt_fetch(imds->ask->http, &request, imds->ask->watch, 1, ret, imds->ask->why);
}

static int32_t take_token(struct imds *imds, const struct flt_http_answer *answer)
{
    if (answer->status == 200 && answer->len > 0 && answer->len < TOKEN_BYTES &&
        flt_is_printable(answer->body)) {
        (void) snprintf(imds->header, sizeof(imds->header), HEADER "%s", answer->body);
        return FLT_OK;
    }
    if (imds->ask->settings->imds_v1)
        return FLT_OK;
    if (answer->status >= 500)
        return flt_because(imds->ask->why, FLT_E_UNAVAILABLE, "%.200s answers with status %ld",
                           imds->base, answer->status);
    return flt_because(imds->ask->why, FLT_E_NOT_FOUND,
                       "%.200s hands out no token (status %ld): it is no metadata service, or "
                       "one of version 1, which is not asked unless the settings allow it",
                       imds->base, answer->status);
}

static int32_t open_imds(struct flt_aws_ask *ask, struct imds *ret)
{
    static const char ttl[] = "X-aws-ec2-metadata-token-ttl-seconds: 300";
    const char *disabled = flt_variable("AWS_EC2_METADATA_DISABLED");
    struct flt_http_answer answer = { 0 };
    size_t len;
    int32_t code;

    *ret = (struct imds) { .ask = ask };
    if (disabled && strcasecmp(disabled, "true") == 0)
        return flt_because(ask->why, FLT_E_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is true");
    (void) snprintf(ret->base, sizeof(ret->base), "%s", find_base(ask->settings));
    len = strlen(ret->base);
    if (len > 0 && ret->base[len - 1] == '/')
        ret->base[len - 1] = '\0';
    code = fetch(ret, 1, "/latest/api/token", ttl, &answer);
    if (code == FLT_OK)
        code = take_token(ret, &answer);
    else if ((code == FLT_E_UNAVAILABLE || code == FLT_E_TIMEOUT) &&
             flt_watch_ended(ask->watch) == FLT_OK)
        code = ask->settings->imds_v1 && code == FLT_E_TIMEOUT ? FLT_OK : FLT_E_NOT_FOUND;
    flt_http_answer_done(&answer);
    return code;
}

static int32_t get(struct imds *imds, const char *path, struct flt_http_answer *ret)
{
    int32_t code = fetch(imds, 0, path, imds->header, ret);

    if (code != FLT_OK || ret->status == 200)
        return code;
    return flt_because(imds->ask->why,
                       ret->status == 404   ? FLT_E_NOT_FOUND
                       : ret->status >= 500 ? FLT_E_UNAVAILABLE
                                            : FLT_E_AUTH,
                       "%.200s%.128s answers with status %ld", imds->base, path, ret->status);
}

/* The first line: an instance has one role. */
static int32_t find_role(struct imds *imds, char *ret, size_t size)
{
    struct flt_http_answer answer = { 0 };
    int32_t code = get(imds, ROLES, &answer);
    size_t len = code == FLT_OK ? strcspn(answer.body, "\r\n") : 0;

    if (code == FLT_E_NOT_FOUND || (code == FLT_OK && len == 0))
        code =
            flt_because(imds->ask->why, FLT_E_NOT_FOUND,
                        "%.200s: the instance has no role: attach an instance profile", imds->base);
    else if (code == FLT_OK && (len >= size || strcspn(answer.body, "/?#% ") < len))
        code = flt_because(imds->ask->why, FLT_E_UNAVAILABLE,
                           "%.200s names a role in an unknown form", imds->base);
    else if (code == FLT_OK)
        (void) snprintf(ret, size, "%.*s", (int) len, answer.body);
    flt_http_answer_done(&answer);
    return code;
}

static int32_t take_keys(struct imds *imds, const char *role, struct flt_aws_keys *ret)
{
    static const struct flt_aws_key_names names = { "AccessKeyId", "SecretAccessKey", "Token",
                                                    "Expiration", 0 };
    struct flt_http_answer answer = { 0 };
    char path[URL_BYTES];
    int32_t code;

    (void) snprintf(path, sizeof(path), ROLES "%s", role);
    code = get(imds, path, &answer);
    if (code == FLT_OK)
        code = flt_aws_keys_parse(imds->ask, imds->base, answer.body, answer.len, &names, ret);
    flt_http_answer_done(&answer);
    return code == FLT_OK ? flt_aws_keys_name(imds->ask, ret,
                                              "role %s of this instance, by metadata version %d",
                                              role, *imds->header ? 2 : 1)
                          : code;
}

int32_t flt_aws_from_imds(struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    struct imds imds;
    char role[256];
    int32_t code = open_imds(ask, &imds);

    if (code == FLT_OK)
        code = find_role(&imds, role, sizeof(role));
    if (code == FLT_OK)
        code = take_keys(&imds, role, ret);
    explicit_bzero(imds.header, sizeof(imds.header));
    return code;
}

static int32_t take_region(struct imds *imds, struct flt_aws_region *ret)
{
    struct flt_http_answer answer = { 0 };
    struct json_object *document = NULL;
    const char *region = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = get(imds, DOCUMENT, &answer);

    if (code == FLT_OK && (flt_json_parse(answer.body, answer.len, &document, error) < 0 ||
                           flt_json_need_text(document, "region", &region, error) < 0))
        code = flt_because(imds->ask->why, FLT_E_UNAVAILABLE, "%.200s" DOCUMENT ": %.200s",
                           imds->base, error);
    else if (code == FLT_OK)
        code = flt_aws_region_take(imds->ask, region, "the metadata of this instance", ret);
    json_object_put(document);
    flt_http_answer_done(&answer);
    return code;
}

int32_t flt_aws_region_of_instance(struct flt_aws_ask *ask, struct flt_aws_region *ret)
{
    struct imds imds;
    int32_t code = open_imds(ask, &imds);

    if (code == FLT_OK)
        code = take_region(&imds, ret);
    explicit_bzero(imds.header, sizeof(imds.header));
    return code;
}
