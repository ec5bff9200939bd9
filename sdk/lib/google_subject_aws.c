/* sdk/lib/google_subject_aws.c - AWS as the other identity provider (google_subject.h): the token is a signed request that
 * asks AWS who we are. Google sends it. The keys are found as AWS's own tools find them.
 */
#include <string.h>

#include "sdk/lib/aws_credentials.h"
#include "sdk/lib/aws_sign.h"
#include "sdk/lib/google_subject.h"
#include "sdk/lib/google_token.h"

#define PLACE "credential_source."
#define REGION "{region}"
#define URL_BYTES 512

struct question {
    const char *url, *audience, *metadata;
    char full_url[URL_BYTES];
    char *headers[2]; /* "Host", and whom it is for */
};

static int32_t read_question(struct flt_google_ask *ask, const struct flt_google_file *file,
                             struct question *ret)
{
    const char *id;
    int32_t code = flt_google_need(ask, file, PLACE "environment_id", &id);

    if (code == FLT_OK && strcmp(id, "aws1") != 0)
        code = flt_because(ask->why, FLT_E_INVALID, "%.300s: " PLACE "environment_id must be aws1",
                           file->shown);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, PLACE "regional_cred_verification_url", &ret->url);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "audience", &ret->audience);
    return code == FLT_OK ? flt_google_may(ask, file, PLACE "url", &ret->metadata) : code;
}

static int32_t make_url(struct flt_google_ask *ask, const struct flt_google_file *file,
                        const char *region, struct question *question)
{
    const char *at = strstr(question->url, REGION);
    int len = at ? snprintf(question->full_url, URL_BYTES, "%.*s%s%s", (int) (at - question->url),
                            question->url, region, at + strlen(REGION))
                 : snprintf(question->full_url, URL_BYTES, "%s", question->url);

    if (len < URL_BYTES && strncmp(question->full_url, "https://", strlen("https://")) == 0)
        return FLT_OK;
    return flt_because(ask->why, FLT_E_INVALID,
                       "%.300s: " PLACE "regional_cred_verification_url must be https and shorter",
                       file->shown);
}

static int32_t make_headers(struct flt_google_ask *ask, struct question *question)
{
    const char *host = question->full_url + strlen("https://");

    if (asprintf(&question->headers[0], "Host: %.*s", (int) strcspn(host, "/?#"), host) >= 0 &&
        asprintf(&question->headers[1], "x-goog-cloud-target-resource: %s", question->audience) >=
            0)
        return FLT_OK;
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

static void add_header(struct json_object *list, const char *line)
{
    struct json_object *header = json_object_new_object();
    size_t len = strcspn(line, ":");

    (void) json_object_object_add(header, "key", json_object_new_string_len(line, (int) len));
    (void) json_object_object_add(header, "value", json_object_new_string(line + len + 2));
    (void) json_object_array_add(list, header);
}

/* As Google wants to read it: JSON, encoded as a part of a URL. */
static char *write_down(const struct question *question, const struct flt_signed_url *signature)
{
    struct json_object *request = json_object_new_object(), *headers = json_object_new_array();
    struct flt_text text;
    const char *plain;

    for (size_t i = 0; i < 2; i++)
        add_header(headers, question->headers[i]);
    for (size_t i = 0; i < signature->n_headers; i++)
        add_header(headers, signature->headers[i]);
    (void) json_object_object_add(request, "url", json_object_new_string(question->full_url));
    (void) json_object_object_add(request, "method", json_object_new_string("POST"));
    (void) json_object_object_add(request, "headers", headers);
    plain = json_object_to_json_string_ext(request,
                                           JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    flt_text_open(&text);
    flt_text_add_encoded(&text, plain, 0);
    /* It is json-c's, and has the keys' token. */
    explicit_bzero((void *) (uintptr_t) plain, strlen(plain));
    flt_google_json_done(request);
    return flt_text_take(&text);
}

static int32_t sign(struct flt_google_ask *ask, const struct flt_google_file *file,
                    const struct question *question, const char *region,
                    const struct flt_aws_keys *keys, char **ret)
{
    const struct flt_aws_signer signer = { .service = "sts",
                                           .region = region,
                                           .access_key = keys->access_key,
                                           .secret_key = keys->secret_key,
                                           .session_token = keys->session_token,
                                           .now_s = flt_clock_s(ask->settings->now_s,
                                                                ask->settings->arg) };
    const char *const signed_header = question->headers[1];
    const struct flt_aws_request request = {
        .method = "POST", .url = question->full_url, .headers = &signed_header, .n_headers = 1
    };
    struct flt_signed_url signature;

    if (flt_aws_sign(&signer, &request, &signature) != 0)
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.200s: a request to %.200s cannot be signed for AWS", file->shown,
                           question->full_url);
    *ret = write_down(question, &signature);
    flt_signed_url_done(&signature);
    return *ret ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* "http://169.254.169.254" of what is below it. */
static void take_host(const char *url, char host[URL_BYTES])
{
    const char *start = strstr(url, "://");

    start = start ? start + strlen("://") : url;
    (void) snprintf(host, URL_BYTES, "%.*s", (int) ((size_t) (start - url) + strcspn(start, "/?#")),
                    url);
}

static struct flt_aws_chain *make_chain(const struct flt_google_ask *ask,
                                        const struct question *question)
{
    char metadata[URL_BYTES];
    const struct flt_google_settings *from = ask->settings;
    const struct flt_aws_settings settings = { .imds_endpoint =
                                                   question->metadata ? metadata : NULL,
                                               .user_agent = from->user_agent,
                                               .run = from->run,
                                               .arg = from->arg,
                                               .now_s = from->now_s };

    if (question->metadata)
        take_host(question->metadata, metadata);
    return flt_aws_chain_new(&settings);
}

static int32_t ask_aws(struct flt_google_ask *ask, const struct flt_google_file *file,
                       struct flt_aws_chain *chain, struct question *question, char **ret)
{
    const char *region = NULL, *who_says;
    const struct flt_aws_keys *keys = NULL;
    char why[FLT_ERROR_MAX];
    int32_t code = flt_aws_chain_region(chain, ask->http, ask->watch, &region, &who_says, why);

    if (code == FLT_OK)
        code = flt_aws_chain_keys(chain, ask->http, ask->watch, &keys, why);
    if (code != FLT_OK)
        return flt_because(ask->why, code, "%.150s: %.340s", file->shown, why);
    code = make_url(ask, file, region, question);
    if (code == FLT_OK)
        code = make_headers(ask, question);
    return code == FLT_OK ? sign(ask, file, question, region, keys, ret) : code;
}

int32_t flt_google_subject_of_aws(struct flt_google_ask *ask, const struct flt_google_file *file,
                                  char **ret)
{
    struct question question = { 0 };
    struct flt_aws_chain *chain;
    int32_t code = read_question(ask, file, &question);

    if (code != FLT_OK)
        return code;
    chain = make_chain(ask, &question);
    code = chain ? ask_aws(ask, file, chain, &question, ret)
                 : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
    flt_aws_chain_free(chain);
    for (size_t i = 0; i < 2; i++)
        free(question.headers[i]);
    return code;
}
