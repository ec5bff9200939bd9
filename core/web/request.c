/* core/web/request.c - what a request asks for: its head is read, its route is found, and who may see that is asked
 * before the handler is. */
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/internal.h"

#define FORM_TYPE "application/x-www-form-urlencoded"

/* Those that libwebsockets keeps under numbers of its own; it finds all others by name. */
static const struct {
    const char *name;
    enum lws_token_indexes token;
} known[] = {
    { "host", WSI_TOKEN_HOST },
    { "origin", WSI_TOKEN_ORIGIN },
    { "accept", WSI_TOKEN_HTTP_ACCEPT },
    { "authorization", WSI_TOKEN_HTTP_AUTHORIZATION },
    { "content-type", WSI_TOKEN_HTTP_CONTENT_TYPE },
    { "content-length", WSI_TOKEN_HTTP_CONTENT_LENGTH },
    { "transfer-encoding", WSI_TOKEN_HTTP_TRANSFER_ENCODING },
    { "sec-websocket-protocol", WSI_TOKEN_PROTOCOL },
    { "via", WSI_TOKEN_HTTP_VIA },
    { "x-forwarded-for", WSI_TOKEN_X_FORWARDED_FOR },
    { "x-real-ip", WSI_TOKEN_HTTP_X_REAL_IP },
};

static enum lws_token_indexes find_token(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(known[i].name, name))
            return known[i].token;
    return WSI_TOKEN_COUNT;
}

static int header_len(const struct web_request *request, const char *name)
{
    enum lws_token_indexes token = find_token(name);
    char with_colon[64];

    if (token != WSI_TOKEN_COUNT)
        return lws_hdr_total_length(request->wsi, token);
    (void) snprintf(with_colon, sizeof(with_colon), "%s:", name);
    return lws_hdr_custom_length(request->wsi, with_colon, (int) strlen(with_colon));
}

bool web_header(const struct web_request *request, const char *name, char *dst, size_t size)
{
    enum lws_token_indexes token = find_token(name);
    char with_colon[64];

    *dst = '\0';
    if (!request->inside || header_len(request, name) <= 0)
        return false;
    if (token != WSI_TOKEN_COUNT)
        return lws_hdr_copy(request->wsi, dst, (int) size, token) > 0;
    (void) snprintf(with_colon, sizeof(with_colon), "%s:", name);
    return lws_hdr_custom_copy(request->wsi, dst, (int) size, with_colon,
                               (int) strlen(with_colon)) > 0;
}

bool web_query(const struct web_request *request, const char *name, char *dst, size_t size)
{
    char with_equals[64];
    const char *value;

    if (!request->inside)
        return false;
    (void) snprintf(with_equals, sizeof(with_equals), "%s=", name);
    value = lws_get_urlarg_by_name(request->wsi, with_equals, dst, (int) size);
    if (value)
        memmove(dst, value, strlen(value) + 1);
    else
        *dst = '\0';
    return value != NULL;
}

const char *web_path(const struct web_request *request)
{
    return request->path;
}

const char *web_path_rest(const struct web_request *request)
{
    return request->path + strlen(request->route->path) - 1;
}

const struct sockaddr_storage *web_peer(const struct web_request *request)
{
    return &request->peer;
}

static bool fits(const struct web_route *route, const char *path)
{
    size_t len = strlen(route->path);

    return route->path[len - 1] == '*' ? strncmp(path, route->path, len - 1) == 0
                                       : str_eq(path, route->path);
}

/* *ret_other: a route for another kind of request, if one fits. */
static const struct web_route *find_route(const struct web_request *request, bool socket, bool form,
                                          const struct web_route **ret_other)
{
    const struct web_options *options = &request->server->options;

    for (size_t i = 0; i < options->n_routes; i++) {
        const struct web_route *route = &options->routes[i];

        if (!fits(route, request->path))
            continue;
        if (route->socket == socket && route->form == form)
            return route;
        *ret_other = route;
    }
    return NULL;
}

static bool has_body(const struct web_request *request)
{
    char text[32];

    return header_len(request, "transfer-encoding") > 0 ||
           (header_len(request, "content-length") > 0 &&
            !(web_header(request, "content-length", text, sizeof(text)) && str_eq(text, "0")));
}

static void refuse_method(struct web_request *request, const char *allowed, const char *sentence)
{
    web_add_header(request, "allow", allowed);
    web_answer_text(request, 405, "%s", sentence);
}

/* False: it has its answer. */
static bool take_head(struct web_request *request, bool socket, bool *ret_form)
{
    char *uri = NULL;
    int len = 0, method = lws_http_get_uri_and_method(request->wsi, &uri, &len);

    free(request->path);
    request->path = method >= 0 && len > 0 ? mem_strndup(uri, (size_t) len) : mem_strdup("");
    request->head_only = method == LWSHUMETH_HEAD;
    request->is_last = has_body(request);
    *ret_form = method == LWSHUMETH_POST && !socket;
    if (!request->path)
        return false;
    if (*ret_form)
        return true;
    if ((method != LWSHUMETH_GET && method != LWSHUMETH_HEAD) || (socket && request->head_only)) {
        refuse_method(request, "GET, HEAD", "only GET and HEAD are answered here");
        return false;
    }
    if (request->is_last) {
        web_answer_text(request, 413, "a request has no body here");
        return false;
    }
    return true;
}

struct login_texts {
    char host[300], origin[300], site[32], authorization[1200];
};

/* What is too long is there all the same, and is nothing that we know. */
static const char *header_or_null(const struct web_request *request, const char *name, char *dst,
                                  size_t size)
{
    if (header_len(request, name) <= 0)
        return NULL;
    return web_header(request, name, dst, size) ? dst : "";
}

/* No browser does so any more; nginx does to whom it hands on, unless it is told otherwise. */
static bool speaks_http_1_0(const struct web_request *request)
{
    char version[16];

    return lws_hdr_copy(request->wsi, version, sizeof(version), WSI_TOKEN_HTTP) <= 0 ||
           !str_starts(version, "HTTP/1.1");
}

static struct web_login login_of(struct web_request *request, struct login_texts *texts)
{
    static const char *const proxies[] = { "via",
                                           "forwarded",
                                           "x-forwarded-for",
                                           "x-forwarded-host",
                                           "x-forwarded-port",
                                           "x-forwarded-proto",
                                           "x-forwarded-server",
                                           "x-real-ip" };
    struct web_login login = { .tls = request->server->certificate != NULL,
                               .loopback = address_is_loopback(&request->peer),
                               .host_names = request->server->host_names,
                               .token = request->server->token };

    login.loopback &= !speaks_http_1_0(request);
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        login.loopback &= header_len(request, proxies[i]) <= 0;
    web_form_take_cookie(request);
    login.visits = request->visit > 0;
    login.site = header_or_null(request, "sec-fetch-site", texts->site, sizeof(texts->site));
    login.host = header_or_null(request, "host", texts->host, sizeof(texts->host));
    login.origin = header_or_null(request, "origin", texts->origin, sizeof(texts->origin));
    login.authorization = header_or_null(request, "authorization", texts->authorization,
                                         sizeof(texts->authorization));
    return login;
}

/* A token is looked at only where not many were wrong. */
static unsigned check_login(struct web_request *request, const struct web_login *login,
                            const char **ret_why)
{
    struct web_guesses *guesses = &request->server->guesses;
    int64_t now = clock_mono_ms(&clock_system);
    bool guesses_token = login->token && login->authorization && !login->visits;
    unsigned status;

    if (guesses_token && !web_guesses_allow(guesses, &request->peer, now)) {
        *ret_why = WEB_TOO_MANY_GUESSES;
        return 429;
    }
    status = web_login_check(login, ret_why);
    if (guesses_token && status == 401)
        web_guesses_note(guesses, &request->peer, now);
    return status;
}

static unsigned check_access(struct web_request *request, const struct web_login *login,
                             const char **ret_why)
{
    const struct web_route *route = request->route;
    unsigned status = web_login_check_origin(login, ret_why);

    if (status == 0 && route->form)
        status = web_login_check_form(login, ret_why);
    if (status == 0 && route->form)
        status = web_login_check_place(login, ret_why);
    if (status == 0 && route->known_host)
        status = web_login_check_host(login, ret_why);
    if (status == 0 && route->needs_login)
        status = check_login(request, login, ret_why);
    return status;
}

static bool wants_form(const struct web_request *request, const struct web_login *login)
{
    char accept[1000];

    return !request->route->socket && !login->authorization &&
           web_header(request, "accept", accept, sizeof(accept)) && strstr(accept, "text/html");
}

/* A browser asks by itself where it is told Basic, also when only a script of the page wanted something. */
static void ask_for_token(struct web_request *request, const struct web_login *login,
                          const char *why)
{
    if (wants_form(request, login)) {
        web_form_show(request, 401, NULL);
        return;
    }
    web_add_header(request, "www-authenticate",
                   login->site ? "Bearer realm=\"flotilla\""
                               : "Basic realm=\"flotilla\", charset=\"UTF-8\"");
    web_answer_text(request, 401, "%s", why);
}

static bool may_see(struct web_request *request)
{
    struct login_texts texts;
    const struct web_login login = login_of(request, &texts);
    const char *why = NULL;
    unsigned status = check_access(request, &login, &why);

    secret_wipe(texts.authorization, sizeof(texts.authorization));
    if (status == 401)
        ask_for_token(request, &login, why);
    else if (status != 0)
        web_answer_text(request, status, "%s", why);
    return status == 0;
}

/* What a form holds is read where its length is told, and is small. */
static void await_form(struct web_request *request)
{
    char type[100], length[32];
    int64_t n;

    if (!web_header(request, "content-length", length, sizeof(length)) ||
        header_len(request, "transfer-encoding") > 0)
        web_answer_text(request, 411, "a form needs a Content-Length here");
    else if (parse_i64(length, 0, WEB_FORM_MAX, &n) < 0)
        web_answer_text(request, 413, "a form has at most %d bytes here", WEB_FORM_MAX);
    else if (!web_header(request, "content-type", type, sizeof(type)) ||
             strncasecmp(type, FORM_TYPE, strlen(FORM_TYPE)) != 0)
        web_answer_text(request, 415, "a form is sent as " FORM_TYPE);
    else
        request->phase = WEB_READS;
}

static void route(struct web_request *request, bool socket, bool form)
{
    const struct web_route *other = NULL;

    request->route = find_route(request, socket, form, &other);
    if (!request->route && form)
        refuse_method(request, "GET, HEAD", "only GET and HEAD are answered here");
    else if (!request->route && other && other->form)
        refuse_method(request, "POST", "this is where a form is sent to");
    else if (!request->route && other)
        web_answer_text(request, 400, socket ? "this is no websocket" : "this is a websocket");
    else if (!request->route)
        web_answer_text(request, 404, "there is nothing here");
    else if (may_see(request) && form)
        await_form(request);
    else if (request->phase == WEB_HANDLED)
        request->route->handler(request->server->options.arg, request);
}

static void end_handling(struct web_request *request)
{
    if (request->phase == WEB_HANDLED && !request->on_gone)
        web_answer_text(request, 500, "this failed here; the log may say why");
    request->inside = false;
    /* A form is to be there when a request without one would have been. */
    if (request->phase != WEB_READS)
        web_request_set_deadline(request, WEB_QUIET_MS);
    if (request->phase == WEB_HANDLED)
        web_rest(request);
}

void web_request_begin(struct web_request *request, bool socket)
{
    bool form = false;

    request->phase = WEB_HANDLED;
    request->inside = true;
    if (take_head(request, socket, &form))
        route(request, socket, form);
    end_handling(request);
}

int web_request_add(struct web_request *request, const char *data, size_t len)
{
    if (request->phase != WEB_READS)
        return 0; /* refused: it ends with its answer */
    request->body.secret = true;
    request->body.max = WEB_FORM_MAX + 1;
    buf_add(&request->body, data, len);
    return buf_error(&request->body);
}

void web_request_complete(struct web_request *request)
{
    if (request->phase != WEB_READS)
        return;
    request->phase = WEB_HANDLED;
    request->inside = true;
    /* It stays the last on its connection: of what came behind a body libwebsockets 4.1 takes the wrong part for the
     * next one's. */
    web_add_header(request, "connection", "close");
    request->route->handler(request->server->options.arg, request);
    end_handling(request);
}
