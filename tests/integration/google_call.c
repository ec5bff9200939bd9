/* tests/integration/google_call.c - sdk/lib's credentials and client of Google Cloud, for tests in Python: the first line of
 * the standard input has the settings of a chain and a client, each that follows asks for a token ("do": "token") or
 * makes a call ("do": "call"); each line of the output says what came of it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sdk/lib/google_client.h"
#include "sdk/lib/json.h"
#include "tests/integration/host_run.h"

static struct json_object *settings, *asked, *trace, *log_lines;
static int64_t deadline_ms;

static const char *text_of(struct json_object *object, const char *name)
{
    return flt_json_text(object, name);
}

static int64_t number_of(struct json_object *object, const char *name, int64_t other)
{
    char error[FLT_ERROR_MAX];

    if (flt_json_opt_i64(object, name, INT64_MIN, INT64_MAX, &other, error) < 0)
        abort();
    return other;
}

static void add_text(struct json_object *answer, const char *name, const char *value)
{
    (void) json_object_object_add(answer, name, value ? json_object_new_string(value) : NULL);
}

static void add_number(struct json_object *answer, const char *name, int64_t value)
{
    (void) json_object_object_add(answer, name, json_object_new_int64(value));
}

static void take_trace(void *arg, const char *text)
{
    (void) arg;
    (void) json_object_array_add(trace, json_object_new_string(text));
}

static void take_log(void *arg, const char *text)
{
    (void) arg;
    (void) json_object_array_add(log_lines, json_object_new_string(text));
}

/* Each question may tell another time. */
static int64_t clock_s(void *arg)
{
    (void) arg;
    return time(NULL) + number_of(asked, "ahead", 0);
}

/* So that the tests need not wait long: the shortest that jitter allows. */
static uint64_t no_random(void *arg)
{
    (void) arg;
    return 0;
}

static int64_t time_left_ms(void *arg)
{
    (void) arg;
    return deadline_ms - flt_monotonic_ms();
}

static int cancel_fd(void *arg)
{
    (void) arg;
    return (int) number_of(asked, "cancel_fd", -1);
}

static const struct flt_watch watch = { time_left_ms, cancel_fd, NULL };

static struct flt_google_chain *make_chain(void)
{
    const struct flt_google_settings wanted = {
        .credentials_file = text_of(settings, "credentials_file"),
        .metadata_endpoint = text_of(settings, "metadata_endpoint"),
        .ca_file = text_of(settings, "ca_file"),
        .user_agent = "flotilla-test",
        .run = flt_json_find(settings, "no_programs") ? NULL : host_run,
        .trace = take_trace,
        .now_s = clock_s,
    };

    return flt_google_chain_new(&wanted);
}

static struct flt_google_client *make_client(struct flt_google_chain *chain)
{
    const struct flt_google_client_settings wanted = {
        .endpoint = text_of(settings, "endpoint"),
        .ca_file = text_of(settings, "ca_file"),
        .user_agent = "flotilla-test",
        .attempt_ms = number_of(settings, "attempt_ms", 0),
        .random = no_random,
        .log = take_log,
    };

    return flt_google_client_new(&wanted, chain);
}

static void tell_token(struct flt_google_chain *chain, struct flt_http *http,
                       struct json_object *told)
{
    const struct flt_google_token *token = NULL;
    char error[FLT_ERROR_MAX] = "";
    int32_t code = flt_google_chain_token(chain, http, &watch, &token, error);

    add_number(told, "result", code);
    add_text(told, "error", error);
    if (code != FLT_OK)
        return;
    add_text(told, "token", token->token);
    add_text(told, "source", token->source);
    add_text(told, "account", token->account);
    add_text(told, "universe", token->universe);
    add_text(told, "quota_project", token->quota_project);
    add_number(told, "expires", token->expires_s);
}

static void tell_call(struct flt_google_client *client, struct json_object *told)
{
    struct json_object *list = flt_json_find(asked, "params"), *answer = NULL;
    size_t n = list ? json_object_array_length(list) : 0;
    struct flt_google_param *params = calloc(n + 1, sizeof(*params));
    const char *method = text_of(asked, "method"), *path = text_of(asked, "path");
    struct flt_google_error error;

    if (!params)
        abort();
    for (size_t i = 0; i < n; i++) {
        struct json_object *pair = json_object_array_get_idx(list, i);

        params[i].name = json_object_get_string(json_object_array_get_idx(pair, 0));
        params[i].value = json_object_get_string(json_object_array_get_idx(pair, 1));
    }
    add_number(told, "result",
               flt_google_do(client,
                             &(struct flt_google_call) {
                                 .service = "compute",
                                 .method = method ? method : "GET",
                                 .path = path ? path : "/compute/v1/thing",
                                 .shown = "things.get of a thing",
                                 .params = params,
                                 .n_params = n,
                                 .body = flt_json_find(asked, "body"),
                                 .repeatable = (int) number_of(asked, "repeatable", 1),
                                 .max_bytes = (size_t) number_of(asked, "max_bytes", 0) },
                             &watch, &answer, &error));
    (void) json_object_object_add(told, "answer", answer);
    add_number(told, "status", error.status);
    add_text(told, "reason", error.reason);
    add_text(told, "text", error.text);
    add_number(told, "retry_after_ms", error.retry_after_ms);
    add_number(told, "maybe_done", error.maybe_done);
    free(params);
}

static void answer_line(struct flt_google_chain *chain, struct flt_google_client *client,
                        struct flt_http *http)
{
    struct json_object *told = json_object_new_object();

    trace = json_object_new_array();
    log_lines = json_object_new_array();
    deadline_ms = flt_monotonic_ms() + number_of(asked, "deadline_ms", 60000);
    if (flt_json_find(asked, "forget"))
        flt_google_chain_forget(chain);
    if (strcmp(text_of(asked, "do"), "token") == 0)
        tell_token(chain, http, told);
    else
        tell_call(client, told);
    (void) json_object_object_add(told, "trace", trace);
    (void) json_object_object_add(told, "log", log_lines);
    (void) puts(json_object_to_json_string_ext(told, JSON_C_TO_STRING_PLAIN));
    (void) fflush(stdout);
    json_object_put(told);
}

static struct json_object *read_line(char **line, size_t *size)
{
    struct json_object *ret = NULL;
    char error[FLT_ERROR_MAX];

    if (getline(line, size, stdin) <= 0)
        return NULL;
    if (flt_json_parse(*line, strlen(*line), &ret, error) == 0)
        return ret;
    (void) fprintf(stderr, "%s\n", error);
    abort();
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    struct flt_http *http = flt_http_new("flotilla-test");
    struct flt_google_chain *chain;
    struct flt_google_client *client;

    settings = read_line(&line, &size);
    chain = make_chain();
    client = chain ? make_client(chain) : NULL;
    if (!http || !client)
        abort();
    while ((asked = read_line(&line, &size))) {
        answer_line(chain, client, http);
        json_object_put(asked);
    }
    flt_google_client_free(client);
    flt_google_chain_free(chain);
    flt_http_free(http);
    json_object_put(settings);
    free(line);
    return 0;
}
