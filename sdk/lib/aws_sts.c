/* sdk/lib/aws_sts.c - see aws_sts.h. Not by aws_client.h, whose keys come from here. */
#include "sdk/lib/aws_sts.h"

#include <stdio.h>

#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/aws_error.h"
#include "sdk/lib/aws_sign.h"
#include "sdk/lib/file.h"
#include "sdk/lib/text.h"
#include "sdk/lib/wipe.h"
#include "sdk/lib/xml.h"

#define VERSION "2011-06-15"
#define FORM "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
#define TOKEN_MAX ((size_t) 64 * 1024)
#define ANSWER_MAX ((size_t) 256 * 1024)
#define TIMEOUT_MS 20000
/* A signature is good for five minutes. */
#define SKEW_MAX_S 240

struct sts {
    struct flt_aws_ask *ask;
    const char *action;
    const struct flt_aws_role *role;
    const struct flt_aws_keys *source; /* NULL = unsigned */
    char region[64], url[512];
    char *body;
};

static void add(struct flt_text *form, const char *name, const char *value)
{
    if (!value)
        return;
    flt_text_add(form, "&%s=", name);
    flt_text_add_encoded(form, value, 0);
}

static int32_t make_body(struct sts *sts, const char *token)
{
    const struct flt_aws_role *role = sts->role;
    char ours[64];
    struct flt_text form;

    (void) snprintf(ours, sizeof(ours), "flotilla-%lld",
                    (long long) flt_clock_s(sts->ask->settings->now_s, sts->ask->settings->arg));
    flt_text_open(&form);
    flt_text_add(&form, "Action=%s&Version=" VERSION, sts->action);
    add(&form, "RoleArn", role->arn);
    add(&form, "RoleSessionName", role->session_name ? role->session_name : ours);
    add(&form, "ExternalId", role->external_id);
    add(&form, "DurationSeconds", role->duration_s);
    add(&form, "WebIdentityToken", token);
    sts->body = flt_text_take(&form);
    return sts->body ? FLT_OK : flt_because(sts->ask->why, FLT_E_INTERNAL, "out of memory");
}

/* AWS_ENDPOINT_URL_STS is AWS's own way to another endpoint. Without a region there is one for all. */
static int32_t find_endpoint(struct sts *sts)
{
    const struct flt_aws_settings *settings = sts->ask->settings;
    struct flt_aws_endpoint endpoint = { .service = "sts",
                                         .dual_stack = settings->dual_stack,
                                         .fips = settings->fips };
    const char *other = settings->sts_endpoint;
    struct flt_aws_region region;
    int32_t code = flt_aws_region_configured(sts->ask, &region);
    char base[256];

    if (code != FLT_OK)
        return code;
    (void) snprintf(sts->region, sizeof(sts->region), "%s",
                    *region.name ? region.name : "us-east-1");
    endpoint.region = sts->region;
    if (!other)
        other = flt_variable("AWS_ENDPOINT_URL_STS");
    if (!other && !*region.name && !settings->dual_stack && !settings->fips)
        other = "https://sts.amazonaws.com";
    if (!other && flt_aws_endpoint(&endpoint, base, sizeof(base), sts->ask->why) < 0)
        return FLT_E_INVALID;
    if (!other)
        other = base;
    (void) snprintf(sts->url, sizeof(sts->url), "%s%s", other,
                    *other && other[strlen(other) - 1] == '/' ? "" : "/");
    return FLT_OK;
}

static int32_t sign(const struct sts *sts, int64_t now_s, struct flt_signed_url *ret)
{
    static const char *const form[] = { FORM };
    const struct flt_aws_keys *source = sts->source;
    const struct flt_aws_signer signer = { .service = "sts",
                                           .region = sts->region,
                                           .access_key = source->access_key,
                                           .secret_key = source->secret_key,
                                           .session_token = source->session_token,
                                           .now_s = now_s };
    const struct flt_aws_request request = { .method = "POST",
                                             .url = sts->url,
                                             .headers = form,
                                             .n_headers = 1,
                                             .body = sts->body,
                                             .body_len = strlen(sts->body) };

    return flt_aws_sign(&signer, &request, ret) == 0
               ? FLT_OK
               : flt_because(sts->ask->why, FLT_E_INVALID,
                             "%.300s or the keys cannot be signed for", sts->url);
}

static int32_t send(const struct sts *sts, int64_t now_s, struct flt_http_answer *ret)
{
    struct flt_signed_url signature = { 0 };
    const char *headers[FLT_SIGNED_HEADERS_MAX + 1] = { FORM };
    struct flt_http_request request = { .method = "POST",
                                        .url = sts->url,
                                        .headers = headers,
                                        .n_headers = 1,
                                        .body = sts->body,
                                        .body_len = strlen(sts->body),
                                        .ca_file = flt_variable("AWS_CA_BUNDLE"),
                                        .timeout_ms = TIMEOUT_MS,
                                        .max_bytes = ANSWER_MAX };
    int32_t code = sts->source ? sign(sts, now_s, &signature) : FLT_OK;

    for (size_t i = 0; i < signature.n_headers; i++)
        headers[request.n_headers++] = signature.headers[i];
    if (code == FLT_OK)
        code = flt_fetch(sts->ask->http, &request, sts->ask->watch, 0, ret, sts->ask->why);
    flt_signed_url_done(&signature);
    return code;
}

static int may_be_the_clock(const struct flt_http_answer *answer, int64_t now_s)
{
    int64_t skew_s = answer->date_s - now_s;
    struct flt_aws_fault fault;

    if (answer->status == 200 || answer->date_s == 0 ||
        (skew_s <= SKEW_MAX_S && skew_s >= -SKEW_MAX_S))
        return 0;
    flt_aws_fault_read(answer, &fault);
    return flt_aws_judge(&fault).is_clock;
}

/* A signature by a clock that is wrong is refused; the answer says what time it is. */
static int32_t send_in_time(const struct sts *sts, struct flt_http_answer *ret)
{
    int64_t now_s = flt_clock_s(sts->ask->settings->now_s, sts->ask->settings->arg);
    int32_t code = send(sts, now_s, ret);

    if (code != FLT_OK || !sts->source || !may_be_the_clock(ret, now_s))
        return code;
    now_s = ret->date_s;
    flt_http_answer_done(ret);
    return send(sts, now_s, ret);
}

static int32_t refuse(const struct sts *sts, const struct flt_http_answer *answer)
{
    struct flt_verdict verdict;
    struct flt_aws_fault fault;

    flt_aws_fault_read(answer, &fault);
    verdict = flt_aws_judge(&fault);
    return flt_because(
        sts->ask->why, verdict.result, "sts:%s for %.120s: %s%s%.200s (status %ld)%s%s",
        sts->action, sts->role->arn, fault.code, *fault.code ? ": " : "", fault.message,
        answer->status, verdict.advice ? ": " : "", verdict.advice ? verdict.advice : "");
}

/* libxml2 lends its own memory, and frees it as it is. */
static void wipe(xmlNodePtr keys, const char *name)
{
    const char *text = flt_xml_text(keys, name);

    if (text)
        explicit_bzero((void *) (uintptr_t) text, strlen(text));
}

static int32_t take_keys(const struct sts *sts, xmlNodePtr root, struct flt_aws_keys *ret)
{
    char path[128];
    const char *id, *secret, *token, *expires;
    int64_t expires_s;
    xmlNodePtr keys;
    int32_t code;

    (void) snprintf(path, sizeof(path), "%sResult/Credentials", sts->action);
    keys = flt_xml_find(root, path);
    if (flt_xml_need_text(keys, "AccessKeyId", &id, sts->ask->why) < 0 ||
        flt_xml_need_text(keys, "SecretAccessKey", &secret, sts->ask->why) < 0 ||
        flt_xml_need_text(keys, "SessionToken", &token, sts->ask->why) < 0 ||
        flt_xml_need_text(keys, "Expiration", &expires, sts->ask->why) < 0)
        return FLT_E_UNAVAILABLE;
    if (flt_utc_parse(expires, &expires_s) < 0)
        return flt_because(sts->ask->why, FLT_E_UNAVAILABLE, "sts:%s: Expiration is no time",
                           sts->action);
    code = flt_aws_keys_set(sts->ask, ret, id, secret, token);
    if (code == FLT_OK)
        ret->expires_s = expires_s;
    wipe(keys, "SecretAccessKey");
    wipe(keys, "SessionToken");
    return code;
}

static int32_t read_answer(const struct sts *sts, const struct flt_http_answer *answer,
                           struct flt_aws_keys *ret)
{
    xmlDocPtr doc;
    int32_t code;

    if (answer->status != 200)
        return refuse(sts, answer);
    doc = flt_xml_parse(answer->body, answer->len, sts->ask->why);
    if (!doc)
        return FLT_E_UNAVAILABLE;
    code = take_keys(sts, flt_xml_root(doc), ret);
    xmlFreeDoc(doc);
    return code;
}

static int32_t assume(struct sts *sts, const char *token, struct flt_aws_keys *ret)
{
    struct flt_http_answer answer = { 0 };
    int32_t code = find_endpoint(sts);

    if (code == FLT_OK)
        code = make_body(sts, token);
    if (code == FLT_OK)
        code = send_in_time(sts, &answer);
    if (code == FLT_OK)
        code = read_answer(sts, &answer, ret);
    flt_http_answer_done(&answer);
    flt_wipe(sts->body);
    return code;
}

int32_t flt_aws_assume_role(struct flt_aws_ask *ask, const struct flt_aws_role *role,
                            const struct flt_aws_keys *source, struct flt_aws_keys *ret)
{
    struct sts sts = { .ask = ask, .action = "AssumeRole", .role = role, .source = source };

    return assume(&sts, NULL, ret);
}

int32_t flt_aws_assume_with_token(struct flt_aws_ask *ask, const struct flt_aws_role *role,
                                  const char *token_file, struct flt_aws_keys *ret)
{
    struct sts sts = { .ask = ask, .action = "AssumeRoleWithWebIdentity", .role = role };
    FLT_WIPED char *token = NULL;
    int32_t code = flt_file_read(token_file, TOKEN_MAX, &token, ask->why);

    if (code != FLT_OK)
        return FLT_E_INVALID;
    token[strcspn(token, " \t\r\n")] = '\0';
    return assume(&sts, token, ret);
}
