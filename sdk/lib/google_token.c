/* sdk/lib/google_token.c - see google_token.h. */
#include "sdk/lib/google_token.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/base64.h"
#include "sdk/lib/google_error.h"
#include "sdk/lib/google_jwt.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define ANSWER_MAX ((size_t) 256 * 1024)
#define TIMEOUT_MS 20000
#define LIFE_MAX_S (7 * 86400) /* a token that is good for longer is none */
/* Less than this is no reason to refuse a signature. */
#define SKEW_MIN_S 60

int32_t flt_google_may(struct flt_google_ask *ask, const struct flt_google_file *file,
                       const char *path, const char **ret)
{
    char why[FLT_ERROR_MAX];

    *ret = NULL;
    if (flt_json_opt_text(file->json, path, ret, why) < 0)
        return flt_because(ask->why, FLT_E_INVALID, "%.300s: %.180s", file->shown, why);
    if (*ret && !**ret)
        *ret = NULL;
    return FLT_OK;
}

int32_t flt_google_need(struct flt_google_ask *ask, const struct flt_google_file *file,
                        const char *path, const char **ret)
{
    int32_t code = flt_google_may(ask, file, path, ret);

    if (code == FLT_OK && !*ret)
        return flt_because(ask->why, FLT_E_INVALID, "%.300s: %.100s is missing", file->shown, path);
    return code;
}

int32_t flt_google_check_universe(struct flt_google_ask *ask, const char *shown,
                                  const char *universe)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    size_t len = strlen(universe);

    if (len > 0 && len <= 253 && strspn(universe, letters) == len)
        return FLT_OK;
    return flt_because(
        ask->why, FLT_E_INVALID,
        "%.300s: the universe domain must be the name of a domain, as " FLT_GOOGLE_UNIVERSE, shown);
}

int32_t flt_google_universe(struct flt_google_ask *ask, const struct flt_google_file *file,
                            const char **ret)
{
    int32_t code = flt_google_may(ask, file, "universe_domain", ret);

    if (code == FLT_OK && !*ret)
        *ret = FLT_GOOGLE_UNIVERSE;
    return code == FLT_OK ? flt_google_check_universe(ask, file->shown, *ret) : code;
}

/* json-c lends its own memory, and frees it as it is. */
static void wipe(struct json_object *json)
{
    if (json_object_is_type(json, json_type_string))
        explicit_bzero((void *) (uintptr_t) json_object_get_string(json),
                       (size_t) json_object_get_string_len(json));
    if (json_object_is_type(json, json_type_array))
        for (size_t i = 0; i < json_object_array_length(json); i++)
            wipe(json_object_array_get_idx(json, i));
    if (json_object_is_type(json, json_type_object)) {
        json_object_object_foreach(json, name, value)
        {
            (void) name;
            wipe(value);
        }
    }
}

void flt_google_json_done(struct json_object *json)
{
    wipe(json);
    json_object_put(json);
}

static int32_t refuse(struct flt_google_ask *ask, const struct flt_google_post *post,
                      const struct flt_http_answer *answer, int64_t *date_s)
{
    int64_t now_s = flt_clock_s(ask->settings->now_s, ask->settings->arg);
    struct flt_google_fault fault;
    struct flt_verdict verdict;
    char right[FLT_GOOGLE_REASON_MAX + 64];

    flt_google_fault_read(answer, &fault);
    flt_blot_out(fault.message, post->header ? strrchr(post->header, ' ') + 1 : NULL);
    for (size_t i = 0; i < FLT_GOOGLE_SECRETS_MAX; i++)
        flt_blot_out(fault.message, post->secrets[i]);
    verdict = flt_google_judge(&fault);
    if (!verdict.advice && *fault.right) {
        (void) snprintf(right, sizeof(right), "grant the right %s to whose credentials these are",
                        fault.right);
        verdict.advice = right;
    }
    if (date_s && verdict.is_clock && answer->date_s != 0 &&
        (answer->date_s > now_s + SKEW_MIN_S || answer->date_s < now_s - SKEW_MIN_S))
        *date_s = answer->date_s;
    if (verdict.result == FLT_E_INVALID || verdict.result == FLT_E_NOT_FOUND)
        verdict.result = FLT_E_AUTH;
    return flt_because(ask->why, verdict.result, "%.120s: %.120s: %.64s%s%.120s (HTTP %ld)%s%s",
                       post->shown, post->url, *fault.reason ? fault.reason : "no reason",
                       *fault.message ? ": " : "", fault.message, fault.status,
                       verdict.advice ? "; " : "", verdict.advice ? verdict.advice : "");
}

static int32_t read_answer(struct flt_google_ask *ask, const struct flt_google_post *post,
                           const struct flt_http_answer *answer, struct json_object **ret)
{
    char why[FLT_ERROR_MAX];

    if (flt_json_parse(answer->body, answer->len, ret, why) == 0)
        return FLT_OK;
    return flt_because(ask->why, FLT_E_UNAVAILABLE, "%.120s: the answer of %.120s: %.180s",
                       post->shown, post->url, why);
}

int32_t flt_google_send(struct flt_google_ask *ask, const struct flt_google_post *post,
                        struct json_object **ret, int64_t *date_s)
{
    char type[64];
    const char *headers[] = { type, post->header };
    const struct flt_http_request request = { .method = "POST",
                                              .url = post->url,
                                              .headers = headers,
                                              .n_headers = post->header ? 2 : 1,
                                              .body = post->body,
                                              .body_len = strlen(post->body),
                                              .ca_file = ask->settings->ca_file,
                                              .timeout_ms = TIMEOUT_MS,
                                              .max_bytes = ANSWER_MAX };
    struct flt_http_answer answer = { 0 };
    int32_t code;

    (void) snprintf(type, sizeof(type), "Content-Type: %s", post->type);
    if (!flt_url_is_safe(post->url, NULL, 0))
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.200s: %.200s must be https, or http to this machine", post->shown,
                           post->url);
    code = flt_fetch(ask->http, &request, ask->watch, 0, &answer, ask->why);
    if (code == FLT_OK)
        code = answer.status == 200 ? read_answer(ask, post, &answer, ret)
                                    : refuse(ask, post, &answer, date_s);
    flt_http_answer_done(&answer);
    return code;
}

void flt_google_form_open(struct flt_google_form *form, struct flt_google_ask *ask,
                          const struct flt_google_file *file, const char *url)
{
    *form = (struct flt_google_form) { .ask = ask, .file = file, .url = url };
    flt_text_open(&form->body);
}

void flt_google_form_add(struct flt_google_form *form, const char *name, const char *value)
{
    if (!value)
        return;
    flt_text_add(&form->body, "%s%s=", form->is_begun ? "&" : "", name);
    flt_text_add_encoded(&form->body, value, 0);
    form->is_begun = 1;
}

static int32_t make_header(struct flt_google_ask *ask, const char *id, const char *secret,
                           char **ret)
{
    FLT_WIPED char *plain = NULL;
    FLT_WIPED char *coded = NULL;

    if (asprintf(&plain, "%s:%s", id, secret ? secret : "") < 0)
        plain = NULL;
    coded = plain ? flt_base64_write(plain, strlen(plain)) : NULL;
    if (coded && asprintf(ret, "Authorization: Basic %s", coded) >= 0)
        return FLT_OK;
    *ret = NULL;
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

void flt_google_form_sign(struct flt_google_form *form)
{
    const char *id, *secret;

    form->code = flt_google_may(form->ask, form->file, "client_id", &id);
    if (form->code == FLT_OK)
        form->code = flt_google_may(form->ask, form->file, "client_secret", &secret);
    if (form->code == FLT_OK && id)
        form->code = make_header(form->ask, id, secret, &form->header);
}

void flt_google_form_add_secret(struct flt_google_form *form, const char *name, const char *value)
{
    form->secrets[form->n_secrets++] = value;
    flt_google_form_add(form, name, value);
}

int64_t flt_google_read_seconds(struct json_object *answer, const char *path)
{
    const char *text = flt_json_text(answer, path);
    int64_t ret = -1;

    if (!text)
        return flt_json_need_i64(answer, path, 0, LIFE_MAX_S, &ret, NULL) == 0 ? ret : -1;
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return -1;
    for (ret = 0; *text && ret <= LIFE_MAX_S; text++)
        ret = ret * 10 + (*text - '0');
    return ret <= LIFE_MAX_S ? ret : -1;
}

/* Of somebody who has signed in: Google, which sends it, says whose the token is. */
static void take_account(struct json_object *answer, struct flt_google_token *ret)
{
    const char *id = flt_json_text(answer, "id_token"), *email;
    struct json_object *claims = id ? flt_google_jwt_claims(id) : NULL;

    email = flt_json_text(claims, "email");
    if (email && *email && flt_is_printable(email))
        ret->account = strdup(email);
    json_object_put(claims);
}

static int32_t take_token(struct flt_google_form *form, struct json_object *answer,
                          struct flt_google_token *ret)
{
    struct flt_google_ask *ask = form->ask;
    const char *token = flt_json_text(answer, "access_token");
    int64_t life_s = flt_google_read_seconds(answer, "expires_in");
    int64_t now_s = flt_clock_s(ask->settings->now_s, ask->settings->arg);
    int32_t code;

    if (!token || life_s < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "%.200s: the answer of %.200s has no %s",
                           form->file->shown, form->url, token ? "expires_in" : "access_token");
    code = flt_google_token_set(ask, form->url, token, now_s + life_s, ret);
    if (code == FLT_OK)
        take_account(answer, ret);
    return code;
}

int32_t flt_google_form_send(struct flt_google_form *form, struct flt_google_token *ret,
                             int64_t *date_s)
{
    FLT_WIPED char *body = flt_text_take(&form->body);
    const struct flt_google_post post = { .shown = form->file->shown,
                                          .url = form->url,
                                          .type = "application/x-www-form-urlencoded",
                                          .header = form->header,
                                          .body = body,
                                          .secrets = { form->secrets[0], form->secrets[1] } };
    struct json_object *answer = NULL;
    int32_t code = form->code;

    if (code == FLT_OK)
        code = body ? flt_google_send(form->ask, &post, &answer, date_s)
                    : flt_because(form->ask->why, FLT_E_INTERNAL, "out of memory");
    if (code == FLT_OK)
        code = take_token(form, answer, ret);
    flt_google_json_done(answer);
    flt_wipe(form->header);
    form->header = NULL;
    return code;
}

int32_t flt_google_token_set(struct flt_google_ask *ask, const char *shown, const char *token,
                             int64_t expires_s, struct flt_google_token *ret)
{
    if (!*token || !flt_is_printable(token))
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "%.300s: the token is none", shown);
    *ret = (struct flt_google_token) { .token = strdup(token), .expires_s = expires_s };
    return ret->token ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

int32_t flt_google_token_name(struct flt_google_ask *ask, struct flt_google_token *token,
                              const char *account, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&token->source, format, args);
    va_end(args);
    if (account) {
        free(token->account);
        token->account = strdup(account);
    }
    if (len >= 0 && (token->account || !account)) {
        flt_text_clean(token->source, (size_t) len);
        return FLT_OK;
    }
    if (len < 0)
        token->source = NULL;
    flt_google_token_done(token);
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

void flt_google_token_done(struct flt_google_token *token)
{
    flt_wipe(token->token);
    free(token->quota_project);
    free(token->universe);
    free(token->account);
    free(token->source);
    *token = (struct flt_google_token) { 0 };
}
