/* sdk/lib/google_subject.c - see google_subject.h: a file, as Kubernetes mounts one, or a URL, as the metadata service of
 * another cloud. */
#include "sdk/lib/google_subject.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define TOKEN_MAX ((size_t) 256 * 1024)
#define TIMEOUT_MS 20000
#define HEADERS_MAX 16

int32_t flt_google_subject_set(struct flt_google_ask *ask, const char *shown, const char *token,
                               char **ret)
{
    if (!*token)
        return flt_because(ask->why, FLT_E_AUTH, "%.300s holds no token", shown);
    *ret = strdup(token);
    return *ret ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* The member of an object, where the format says so. */
static int32_t take_member(struct flt_google_ask *ask, const struct flt_google_file *file,
                           const char *shown, const char *text, char **ret)
{
    struct json_object *json = NULL, *value = NULL;
    char why[FLT_ERROR_MAX];
    const char *name;
    int32_t code =
        flt_google_need(ask, file, "credential_source.format.subject_token_field_name", &name);

    if (code != FLT_OK)
        return code;
    if (flt_json_parse(text, strlen(text), &json, why) < 0)
        return flt_because(ask->why, FLT_E_AUTH, "%.300s: %.180s", shown, why);
    if (json_object_is_type(json, json_type_object) &&
        json_object_object_get_ex(json, name, &value) &&
        json_object_is_type(value, json_type_string))
        code = flt_google_subject_set(ask, shown, json_object_get_string(value), ret);
    else
        code = flt_because(ask->why, FLT_E_AUTH, "%.300s has no text '%.64s'", shown, name);
    flt_google_json_done(json);
    return code;
}

static int32_t take(struct flt_google_ask *ask, const struct flt_google_file *file,
                    const char *shown, const char *text, char **ret)
{
    const char *type;
    int32_t code = flt_google_may(ask, file, "credential_source.format.type", &type);

    if (code != FLT_OK)
        return code;
    if (!type || strcmp(type, "text") == 0)
        return flt_google_subject_set(ask, shown, text, ret);
    if (strcmp(type, "json") == 0)
        return take_member(ask, file, shown, text, ret);
    return flt_because(ask->why, FLT_E_INVALID,
                       "%.300s: credential_source.format.type must be text or json", file->shown);
}

static int32_t from_file(struct flt_google_ask *ask, const struct flt_google_file *file,
                         const char *path, char **ret)
{
    FLT_WIPED char *text = NULL;
    int32_t code = flt_file_read(path, TOKEN_MAX, &text, ask->why);

    if (code != FLT_OK)
        return code == FLT_E_NOT_FOUND ? FLT_E_AUTH : code;
    return take(ask, file, path, text, ret);
}

struct headers {
    char *lines[HEADERS_MAX];
    size_t n;
};

static void headers_done(struct headers *headers)
{
    for (size_t i = 0; i < headers->n; i++)
        flt_wipe(headers->lines[i]);
}

static int32_t make_headers(struct flt_google_ask *ask, const struct flt_google_file *file,
                            struct headers *ret)
{
    struct json_object *object = flt_json_find(file->json, "credential_source.headers");

    if (!object)
        return FLT_OK;
    if (!json_object_is_type(object, json_type_object))
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.300s: credential_source.headers must be an object of texts",
                           file->shown);
    json_object_object_foreach(object, name, value)
    {
        if (!json_object_is_type(value, json_type_string) || ret->n == HEADERS_MAX ||
            !flt_is_printable(name) || !flt_is_printable(json_object_get_string(value)))
            return flt_because(
                ask->why, FLT_E_INVALID,
                "%.300s: credential_source.headers: each must be a text of ASCII, %d at most",
                file->shown, HEADERS_MAX);
        if (asprintf(&ret->lines[ret->n], "%s: %s", name, json_object_get_string(value)) < 0)
            return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
        ret->n++;
    }
    return FLT_OK;
}

/* Another cloud's metadata service, mostly, by http: the headers are the file's own. */
static int32_t from_url(struct flt_google_ask *ask, const struct flt_google_file *file,
                        const char *url, char **ret)
{
    struct headers headers = { 0 };
    struct flt_http_request request = { .method = "GET",
                                        .url = url,
                                        .headers = (const char *const *) headers.lines,
                                        .ca_file = ask->settings->ca_file,
                                        .timeout_ms = TIMEOUT_MS,
                                        .max_bytes = TOKEN_MAX };
    struct flt_http_answer answer = { 0 };
    int32_t code = make_headers(ask, file, &headers);

    request.n_headers = headers.n;
    if (code == FLT_OK)
        code = flt_fetch(ask->http, &request, ask->watch, 0, &answer, ask->why);
    if (code == FLT_OK && answer.status != 200)
        code = flt_because(
            ask->why, answer.status >= 500 || answer.status == 429 ? FLT_E_UNAVAILABLE : FLT_E_AUTH,
            "%.200s: credential_source: %.200s answers with status %ld", file->shown, url,
            answer.status);
    if (code == FLT_OK && strlen(answer.body) != answer.len)
        code = flt_because(ask->why, FLT_E_AUTH, "%.300s: the answer of %.180s has a NUL byte",
                           file->shown, url);
    if (code == FLT_OK)
        code = take(ask, file, url, answer.body, ret);
    flt_http_answer_done(&answer);
    headers_done(&headers);
    return code;
}

int32_t flt_google_subject_token(struct flt_google_ask *ask, const struct flt_google_file *file,
                                 char **ret)
{
    const char *path, *url = NULL;
    int32_t code = flt_google_may(ask, file, "credential_source.file", &path);

    if (code == FLT_OK)
        code = flt_google_may(ask, file, "credential_source.url", &url);
    if (code != FLT_OK)
        return code;
    if (flt_json_find(file->json, "credential_source.executable"))
        return flt_google_subject_of_program(ask, file, ret);
    if (flt_json_find(file->json, "credential_source.environment_id"))
        return flt_google_subject_of_aws(ask, file, ret);
    if (path)
        return from_file(ask, file, path, ret);
    if (url)
        return from_url(ask, file, url, ret);
    return flt_because(
        ask->why, FLT_E_INVALID,
        "%.300s: credential_source must have a file, a url, an executable or an environment_id",
        file->shown);
}
