/* tests/integration/aws_call.c - sdk/lib's HTTP, signer and client of AWS, for tests in Python: each line of the
 * standard input is an object of JSON that names what to do, each line of the output what came of it.
 *
 * The chain of credentials is the list "keys" of the line: the first counts until it is refused. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sdk/lib/aws_client.h"
#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/aws_sign.h"
#include "sdk/lib/json.h"

#define HEADERS_MAX 16

struct flt_aws_chain {
    struct json_object *keys;
    size_t at;
    struct flt_aws_keys given;
};

/* Of one name no name server knows anything, nor that it knows nothing. libcurl finds this instead of libc's. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    int (*libc)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    while (name && strcmp(name, "unanswered.example") == 0)
        (void) pause();
    *(void **) &libc = dlsym(RTLD_NEXT, "getaddrinfo");
    return libc(name, service, hints, ret);
}

static struct json_object *asked;
static int64_t deadline_ms;

static const char *text_of(const char *name)
{
    return flt_json_text(asked, name);
}

static int64_t number_of(const char *name, int64_t other)
{
    char error[FLT_ERROR_MAX];

    if (flt_json_opt_i64(asked, name, INT64_MIN, INT64_MAX, &other, error) < 0)
        abort();
    return other;
}

int32_t flt_aws_chain_keys(struct flt_aws_chain *chain, struct flt_http *http,
                           const struct flt_watch *watch, const struct flt_aws_keys **ret,
                           char *error)
{
    struct json_object *keys = json_object_array_get_idx(chain->keys, chain->at);

    (void) http;
    (void) watch;
    if (!keys) {
        (void) snprintf(error, FLT_ERROR_MAX, "there are no keys");
        return FLT_E_AUTH;
    }
    chain->given = (struct flt_aws_keys) {
        .access_key = (char *) (uintptr_t) flt_json_text(keys, "access"),
        .secret_key = (char *) (uintptr_t) flt_json_text(keys, "secret"),
        .session_token = (char *) (uintptr_t) flt_json_text(keys, "token"),
        .source = (char *) (uintptr_t) "the test",
    };
    *ret = &chain->given;
    return FLT_OK;
}

void flt_aws_chain_forget(struct flt_aws_chain *chain)
{
    if (chain->at + 1 < json_object_array_length(chain->keys))
        chain->at++;
}

static int64_t time_left_ms(void *arg)
{
    (void) arg;
    return deadline_ms - flt_monotonic_ms();
}

static int cancel_fd(void *arg)
{
    (void) arg;
    return (int) number_of("cancel_fd", -1);
}

static const struct flt_watch watch = { time_left_ms, cancel_fd, NULL };

static size_t take_headers(const char *headers[HEADERS_MAX])
{
    struct json_object *list = flt_json_find(asked, "headers");
    size_t n = list ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && i < HEADERS_MAX; i++)
        headers[i] = json_object_get_string(json_object_array_get_idx(list, i));
    return n;
}

static void add_text(struct json_object *answer, const char *name, const char *value)
{
    json_object_object_add(answer, name, value ? json_object_new_string(value) : NULL);
}

static void add_number(struct json_object *answer, const char *name, int64_t value)
{
    json_object_object_add(answer, name, json_object_new_int64(value));
}

static void do_sign(struct json_object *answer)
{
    const char *headers[HEADERS_MAX], *body = text_of("body");
    const struct flt_aws_signer signer = { .service = text_of("service"),
                                           .region = text_of("region"),
                                           .access_key = text_of("access"),
                                           .secret_key = text_of("secret"),
                                           .session_token = text_of("token"),
                                           .now_s = number_of("now", 0) };
    const struct flt_aws_request request = { .method = text_of("method"),
                                             .url = text_of("url"),
                                             .headers = headers,
                                             .n_headers = take_headers(headers),
                                             .body = body,
                                             .body_len = body ? strlen(body) : 0 };
    struct json_object *list = json_object_new_array();
    int64_t lifetime = number_of("lifetime", -1);
    struct flt_signed_url url;

    add_number(answer, "result",
               lifetime < 0 ? flt_aws_sign(&signer, &request, &url)
                            : flt_aws_presign(&signer, &request, lifetime, &url));
    add_text(answer, "url", url.url);
    for (size_t i = 0; i < url.n_headers; i++)
        json_object_array_add(list, json_object_new_string(url.headers[i]));
    json_object_object_add(answer, "headers", list);
    flt_signed_url_done(&url);
}

static void do_endpoint(struct json_object *answer)
{
    const struct flt_aws_endpoint endpoint = { .service = text_of("service"),
                                               .region = text_of("region"),
                                               .dual_stack = (int) number_of("dual_stack", 0),
                                               .fips = (int) number_of("fips", 0) };
    char url[256] = "", error[FLT_ERROR_MAX] = "";

    add_number(answer, "result", flt_aws_endpoint(&endpoint, url, sizeof(url), error));
    add_text(answer, "url", url);
    add_text(answer, "error", error);
    add_text(answer, "partition", flt_aws_partition(endpoint.region));
}

/* A session that lives as long as the process, so that connections can be seen to be kept. */
static void do_http(struct json_object *answer)
{
    static struct flt_http *http;
    const char *headers[HEADERS_MAX], *body = text_of("body");
    const struct flt_http_request request = { .method = text_of("method"),
                                              .url = text_of("url"),
                                              .headers = headers,
                                              .n_headers = take_headers(headers),
                                              .body = body,
                                              .body_len = body ? strlen(body) : 0,
                                              .ca_file = text_of("ca_file"),
                                              .direct = (int) number_of("direct", 0),
                                              .timeout_ms = number_of("timeout_ms", 0),
                                              .connect_ms = number_of("connect_ms", 0),
                                              .max_bytes = (size_t) number_of("max_bytes", 0) };
    struct flt_http_answer got;
    char error[FLT_ERROR_MAX] = "";

    if (!http)
        http = flt_http_new("flotilla-test");
    add_number(answer, "result", flt_http_do(http, &request, &watch, &got, error));
    add_text(answer, "error", error);
    add_number(answer, "status", got.status);
    add_text(answer, "body", got.body);
    add_number(answer, "len", (int64_t) got.len);
    add_text(answer, "headers", got.headers);
    add_number(answer, "date", got.date_s);
    add_number(answer, "retry_after_ms", got.retry_after_ms);
    add_number(answer, "sent", got.sent);
    flt_http_answer_done(&got);
}

static int64_t clock_s(void *arg)
{
    (void) arg;
    return time(NULL) + number_of("clock_ahead", 0);
}

/* So that the tests need not wait long: the shortest that jitter allows. */
static uint64_t no_random(void *arg)
{
    (void) arg;
    return 0;
}

static void on_log(void *arg, const char *text)
{
    json_object_array_add(arg, json_object_new_string(text));
}

static struct flt_aws_client *make_client(struct flt_aws_chain *chain, struct json_object *log)
{
    const struct flt_aws_client_settings settings = { .region = text_of("region"),
                                                      .endpoint = text_of("endpoint"),
                                                      .ca_file = text_of("ca_file"),
                                                      .user_agent = "flotilla-test",
                                                      .attempt_ms = number_of("attempt_ms", 0),
                                                      .now_s = clock_s,
                                                      .random = no_random,
                                                      .log = on_log,
                                                      .arg = log };

    return flt_aws_client_new(&settings, chain);
}

static int32_t query(struct flt_aws_client *client, struct json_object *answer,
                     struct flt_aws_error *error)
{
    struct json_object *list = flt_json_find(asked, "params");
    size_t n = list ? json_object_array_length(list) : 0;
    struct flt_aws_param *params = calloc(n + 1, sizeof(*params));
    xmlDocPtr doc = NULL;
    int32_t r;

    if (!params)
        abort();
    for (size_t i = 0; i < n; i++) {
        struct json_object *pair = json_object_array_get_idx(list, i);

        params[i].name = json_object_get_string(json_object_array_get_idx(pair, 0));
        params[i].value = json_object_get_string(json_object_array_get_idx(pair, 1));
    }
    r = flt_aws_query(client,
                      &(struct flt_aws_call) { .service = text_of("service"),
                                               .action = text_of("action"),
                                               .version = text_of("version"),
                                               .params = params,
                                               .n_params = n,
                                               .repeatable = (int) number_of("repeatable", 1) },
                      &watch, &doc, error);
    if (doc) {
        xmlChar *text = NULL;
        int len = 0;

        xmlDocDumpMemory(doc, &text, &len);
        add_text(answer, "answer", (const char *) text);
        xmlFree(text);
        xmlFreeDoc(doc);
    }
    free(params);
    return r;
}

static int32_t json(struct flt_aws_client *client, struct json_object *answer,
                    struct flt_aws_error *error)
{
    struct json_object *got = NULL;
    int32_t r =
        flt_aws_json(client, text_of("service"), text_of("target"), flt_json_find(asked, "body"),
                     (int) number_of("repeatable", 1), &watch, &got, error);

    json_object_object_add(answer, "answer", got);
    return r;
}

/* "calls" times in a row with one client. */
static void do_call(struct json_object *answer)
{
    struct flt_aws_chain chain = { .keys = flt_json_find(asked, "keys") };
    struct json_object *log = json_object_new_array();
    struct flt_aws_client *client = make_client(&chain, log);
    struct flt_aws_error error = { 0 };
    int32_t r = FLT_OK;

    if (!client)
        abort();
    for (int64_t i = number_of("calls", 1); i > 0 && r == FLT_OK; i--)
        r = text_of("target") ? json(client, answer, &error) : query(client, answer, &error);
    add_number(answer, "result", r);
    add_number(answer, "status", error.status);
    add_text(answer, "code", error.code);
    add_text(answer, "text", error.text);
    add_number(answer, "retry_after_ms", error.retry_after_ms);
    add_number(answer, "maybe_done", error.maybe_done);
    json_object_object_add(answer, "log", log);
    flt_aws_client_free(client);
}

static const struct {
    const char *name;
    void (*go)(struct json_object *answer);
} actions[] = {
    { "sign", do_sign }, { "endpoint", do_endpoint }, { "http", do_http }, { "call", do_call }
};

static void answer_line(char *line)
{
    struct json_object *answer = json_object_new_object();
    char error[FLT_ERROR_MAX];

    if (flt_json_parse(line, strlen(line), &asked, error) < 0) {
        (void) fprintf(stderr, "%s\n", error);
        abort();
    }
    deadline_ms = flt_monotonic_ms() + number_of("deadline_ms", 60000);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(text_of("do"), actions[i].name) == 0)
            actions[i].go(answer);
    add_number(answer, "took_ms",
               flt_monotonic_ms() - deadline_ms + number_of("deadline_ms", 60000));
    (void) puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
    (void) fflush(stdout);
    json_object_put(answer);
    json_object_put(asked);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0)
        answer_line(line);
    free(line);
    return 0;
}
