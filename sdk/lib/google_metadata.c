/* sdk/lib/google_metadata.c - the token of the service account of the machine that this runs on (google_sources.h): the
 * metadata server of Compute Engine, GKE and Cloud Run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"

#define HOST "metadata.google.internal"
#define HOST_VARIABLE "GCE_METADATA_HOST"
#define FLAVOR "Metadata-Flavor"
#define ROOT "/computeMetadata/v1/"
#define URL_BYTES 1024
#define ANSWER_MAX ((size_t) 64 * 1024)
/* Where there is no such server its name is unknown, or a packet to it is lost. */
#define CONNECT_MS 3000
#define TIMEOUT_MS 20000

static void make_base(const struct flt_google_settings *settings, char base[URL_BYTES])
{
    const char *host = flt_variable(HOST_VARIABLE);

    if (settings->metadata_endpoint)
        (void) snprintf(base, URL_BYTES, "%s", settings->metadata_endpoint);
    else
        (void) snprintf(base, URL_BYTES, "http://%s", host ? host : HOST);
}

/* A page of anybody else's is no answer. */
static int is_of_google(const struct flt_http_answer *answer)
{
    char flavor[16];

    return flt_http_header(answer, FLAVOR, flavor, sizeof(flavor)) && strcmp(flavor, "Google") == 0;
}

static int32_t fetch(struct flt_google_ask *ask, const char *base, const char *path,
                     struct flt_http_answer *ret)
{
    static const char *const header = FLAVOR ": Google";
    char url[URL_BYTES * 2];
    const struct flt_http_request request = { .method = "GET",
                                              .url = url,
                                              .headers = &header,
                                              .n_headers = 1,
                                              .timeout_ms = TIMEOUT_MS,
                                              .connect_ms = CONNECT_MS,
                                              .max_bytes = ANSWER_MAX,
                                              .direct = 1 };

    (void) snprintf(url, sizeof(url), "%s" ROOT "%s", base, path);
    return flt_fetch(ask->http, &request, ask->watch, 1, ret, ask->why);
}

static int32_t take_token(struct flt_google_ask *ask, const char *base,
                          const struct flt_http_answer *answer, struct flt_google_token *ret)
{
    struct json_object *json = NULL;
    char why[FLT_ERROR_MAX];
    const char *token;
    int64_t life_s;
    int32_t code;

    if (flt_json_parse(answer->body, answer->len, &json, why) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s: %.180s", base, why);
    token = flt_json_text(json, "access_token");
    life_s = flt_google_read_seconds(json, "expires_in");
    if (token && life_s >= 0)
        code = flt_google_token_set(
            ask, base, token, flt_clock_s(ask->settings->now_s, ask->settings->arg) + life_s, ret);
    else
        code = flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s has no %s", base,
                           token ? "expires_in" : "access_token");
    flt_google_json_done(json);
    return code;
}

static int32_t judge(struct flt_google_ask *ask, const char *base,
                     const struct flt_http_answer *answer)
{
    if (!is_of_google(answer))
        return flt_because(ask->why, FLT_E_NOT_FOUND, "%.300s is no metadata server of Google",
                           base);
    if (answer->status == 200)
        return FLT_OK;
    if (answer->status == 404)
        return flt_because(
            ask->why, FLT_E_NOT_FOUND,
            "this machine has no service account: give it one with the scope cloud-platform");
    return flt_because(
        ask->why, answer->status >= 500 || answer->status == 429 ? FLT_E_UNAVAILABLE : FLT_E_AUTH,
        "%.300s answers with status %ld", base, answer->status);
}

/* Whether this machine is one of Compute Engine, by its firmware: then there is a server, and it comes back. */
static int is_googles(void)
{
    char *name = NULL, ignored[FLT_ERROR_MAX];
    int ret =
        flt_file_read("/sys/class/dmi/id/product_name", ANSWER_MAX, &name, ignored) == FLT_OK &&
        strncmp(name, "Google", strlen("Google")) == 0;

    free(name);
    return ret;
}

static int32_t ask_token(struct flt_google_ask *ask, const char *base, struct flt_google_token *ret)
{
    struct flt_http_answer answer = { 0 };
    int32_t code = fetch(
        ask, base, "instance/service-accounts/default/token?scopes=" FLT_GOOGLE_SCOPE, &answer);

    if (code == FLT_E_UNAVAILABLE ||
        (code == FLT_E_TIMEOUT && flt_watch_ended(ask->watch) == FLT_OK))
        code = is_googles() ? FLT_E_UNAVAILABLE : FLT_E_NOT_FOUND;
    if (code == FLT_OK)
        code = judge(ask, base, &answer);
    if (code == FLT_OK)
        code = take_token(ask, base, &answer, ret);
    flt_http_answer_done(&answer);
    return code;
}

/* A line of the server's; "" when it has none. */
static int32_t ask_line(struct flt_google_ask *ask, const char *base, const char *path, char *ret,
                        size_t size)
{
    struct flt_http_answer answer = { 0 };
    int32_t code = fetch(ask, base, path, &answer);

    *ret = '\0';
    if (code == FLT_OK && answer.status == 200 && is_of_google(&answer))
        (void) snprintf(ret, size, "%.*s", (int) strcspn(answer.body, "\r\n"), answer.body);
    else if (code == FLT_OK && answer.status != 404)
        code = flt_because(ask->why, FLT_E_UNAVAILABLE, "%.300s answers with status %ld", base,
                           answer.status);
    flt_text_clean(ret, size);
    flt_http_answer_done(&answer);
    return code;
}

static int32_t add_universe(struct flt_google_ask *ask, const char *base,
                            struct flt_google_token *ret)
{
    char universe[256];
    int32_t code = ask_line(ask, base, "universe/universe-domain", universe, sizeof(universe));

    if (code != FLT_OK || !*universe)
        return code;
    code = flt_google_check_universe(ask, base, universe);
    if (code != FLT_OK)
        return code;
    ret->universe = strdup(universe);
    return ret->universe ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* Its name decides nothing. */
static int32_t add_name(struct flt_google_ask *ask, const char *base, struct flt_google_token *ret)
{
    char email[256];

    if (ask_line(ask, base, "instance/service-accounts/default/email", email, sizeof(email)) !=
        FLT_OK)
        *email = '\0';
    return flt_google_token_name(ask, ret, *email ? email : NULL,
                                 "service account %s of this machine", *email ? email : "default");
}

int32_t flt_google_from_metadata(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *off = flt_variable("NO_GCE_CHECK");
    char base[URL_BYTES];
    int32_t code;

    if (off && strcmp(off, "true") == 0)
        return flt_because(ask->why, FLT_E_NOT_FOUND, "not asked, because NO_GCE_CHECK is true");
    make_base(ask->settings, base);
    code = ask_token(ask, base, ret);
    if (code != FLT_OK)
        return code;
    code = add_universe(ask, base, ret);
    if (code == FLT_OK)
        code = add_name(ask, base, ret);
    if (code != FLT_OK)
        flt_google_token_done(ret);
    return code;
}
