/* sdk/lib/aws_source_container.c - keys that a container's agent hands out: Amazon ECS, and EKS by pod identity. */
#include <stdio.h>

#include "sdk/lib/aws_keys.h"
#include "sdk/lib/file.h"
#include "sdk/lib/wipe.h"

#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define AGENT "http://169.254.170.2"
#define URL_BYTES 2048
#define TOKEN_MAX ((size_t) 16 * 1024)
#define ANSWER_MAX ((size_t) 64 * 1024)
#define TIMEOUT_MS 20000

/* Whoever can set a variable must not send our token to just any host unencrypted; these are the agents' own. */
static const char *const agents[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };

static int32_t make_url(struct flt_aws_ask *ask, char url[URL_BYTES])
{
    const char *relative = flt_variable(RELATIVE), *full = flt_variable(FULL);

    if (!relative && !full)
        return flt_because(ask->why, FLT_E_NOT_FOUND, RELATIVE " and " FULL " are not set");
    if (relative && *relative != '/')
        return flt_because(ask->why, FLT_E_INVALID, RELATIVE " must begin with a slash");
    if (snprintf(url, URL_BYTES, "%s%s", relative ? AGENT : full, relative ? relative : "") >=
        URL_BYTES)
        return flt_because(ask->why, FLT_E_INVALID, "%s is too long", relative ? RELATIVE : FULL);
    if (!relative && !flt_url_is_safe(url, agents, sizeof(agents) / sizeof(agents[0])))
        return flt_because(ask->why, FLT_E_INVALID,
                           FULL " must be https, or http to this machine, 169.254.170.2, "
                                "169.254.170.23 or [fd00:ec2::23]");
    return FLT_OK;
}

/* Whoever knows the path gets keys, so it is told to nobody: "http://169.254.170.2". */
static void show(const char *url, char shown[URL_BYTES])
{
    const char *host = strstr(url, "://") + strlen("://");

    (void) snprintf(shown, URL_BYTES, "%.*s", (int) (strcspn(host, "/?#") + (size_t) (host - url)),
                    url);
}

/* "Authorization: TOKEN", or NULL where none is set. The file goes first and is read anew: it changes. */
static int32_t make_header(struct flt_aws_ask *ask, char **ret)
{
    const char *file = flt_variable(TOKEN "_FILE"), *token = flt_variable(TOKEN);
    FLT_WIPED char *text = NULL;

    if (file && flt_file_read(file, TOKEN_MAX, &text, ask->why) != FLT_OK)
        return FLT_E_INVALID;
    token = text ? text : token;
    if (!token)
        return FLT_OK;
    if (text)
        text[strcspn(text, "\r\n")] = '\0';
    if (!flt_is_printable(token))
        return flt_because(ask->why, FLT_E_INVALID, "%s holds a control byte", file ? file : TOKEN);
    if (asprintf(ret, "Authorization: %s", token) >= 0)
        return FLT_OK;
    *ret = NULL;
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

int32_t flt_aws_from_container(struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    static const struct flt_aws_key_names names = { "AccessKeyId", "SecretAccessKey", "Token",
                                                    "Expiration", 0 };
    char url[URL_BYTES], shown[URL_BYTES];
    FLT_WIPED char *header = NULL;
    struct flt_http_request request = { .method = "GET",
                                        .url = url,
                                        .shown = shown,
                                        .timeout_ms = TIMEOUT_MS,
                                        .max_bytes = ANSWER_MAX,
                                        .direct = 1 };
    struct flt_http_answer answer = { 0 };
    int32_t code = make_url(ask, url);

    if (code == FLT_OK)
        code = make_header(ask, &header);
    if (code != FLT_OK)
        return code;
    show(url, shown);
    request.headers = (const char *const *) &header;
    request.n_headers = header != NULL;
    code = flt_fetch(ask->http, &request, ask->watch, 0, &answer, ask->why);
    if (code == FLT_OK && answer.status != 200)
        code = flt_because(ask->why, answer.status >= 500 ? FLT_E_UNAVAILABLE : FLT_E_AUTH,
                           "%.300s answers with status %ld", shown, answer.status);
    if (code == FLT_OK)
        code = flt_aws_keys_parse(ask, shown, answer.body, answer.len, &names, ret);
    flt_http_answer_done(&answer);
    return code == FLT_OK ? flt_aws_keys_name(ask, ret, "the container's %s", shown) : code;
}
