/* core/web/request.c - what a request asks for: its head is read, its route is found, and who may see that is asked
 * before the handler is. */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/internal.h"

/* Those that libwebsockets keeps under numbers of its own; it finds all others by name. */
static const struct {
    const char *name;
    enum lws_token_indexes token;
} known[] = {
    { "host", WSI_TOKEN_HOST },
    { "origin", WSI_TOKEN_ORIGIN },
    { "accept", WSI_TOKEN_HTTP_ACCEPT },
    { "authorization", WSI_TOKEN_HTTP_AUTHORIZATION },
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

static const struct web_route *find_route(const struct web_server *server, const char *path,
                                          bool socket, bool *ret_other_kind)
{
    for (size_t i = 0; i < server->options.n_routes; i++) {
        const struct web_route *route = &server->options.routes[i];

        if (fits(route, path) && route->socket == socket)
            return route;
        *ret_other_kind |= fits(route, path);
    }
    return NULL;
}

/* False: it has its answer. */
static bool take_head(struct web_request *request, bool socket)
{
    char *uri = NULL, text[32];
    int len = 0, method = lws_http_get_uri_and_method(request->wsi, &uri, &len);

    free(request->path);
    request->path = method >= 0 && len > 0 ? mem_strndup(uri, (size_t) len) : mem_strdup("");
    request->head_only = method == LWSHUMETH_HEAD;
    if (!request->path)
        return false;
    if ((method != LWSHUMETH_GET && method != LWSHUMETH_HEAD) || (socket && request->head_only)) {
        web_add_header(request, "allow", "GET, HEAD");
        web_answer_text(request, 405, "only GET and HEAD are answered here");
        return false;
    }
    if (header_len(request, "transfer-encoding") > 0 ||
        (header_len(request, "content-length") > 0 &&
         !(web_header(request, "content-length", text, sizeof(text)) && str_eq(text, "0")))) {
        web_answer_text(request, 413, "a request has no body here");
        return false;
    }
    return true;
}

struct login_texts {
    char host[300], origin[300], authorization[1200];
};

/* What is too long is there all the same, and is nothing that we know. */
static const char *header_or_null(const struct web_request *request, const char *name, char *dst,
                                  size_t size)
{
    if (header_len(request, name) <= 0)
        return NULL;
    return web_header(request, name, dst, size) ? dst : "";
}

static struct web_login login_of(const struct web_request *request, struct login_texts *texts)
{
    static const char *const proxies[] = { "via",       "x-forwarded-for",   "x-forwarded-host",
                                           "forwarded", "x-forwarded-proto", "x-real-ip" };
    struct web_login login = { .tls = request->server->certificate != NULL,
                               .loopback = address_is_loopback(&request->peer),
                               .token = request->server->token };

    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        login.loopback &= header_len(request, proxies[i]) <= 0;
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
    bool guesses_token = login->token && login->authorization;
    unsigned status;

    if (guesses_token && !web_guesses_allow(guesses, &request->peer, now)) {
        *ret_why = "too many wrong tokens came from this address; try again in a minute";
        return 429;
    }
    status = web_login_check(login, ret_why);
    if (guesses_token && status == 401)
        web_guesses_note(guesses, &request->peer, now);
    return status;
}

static bool may_see(struct web_request *request)
{
    struct login_texts texts;
    const struct web_login login = login_of(request, &texts);
    const char *why = NULL;
    unsigned status = web_login_check_origin(&login, &why);

    if (status == 0 && request->route->needs_login)
        status = check_login(request, &login, &why);
    secret_wipe(texts.authorization, sizeof(texts.authorization));
    if (status == 0)
        return true;
    if (status == 401)
        web_add_header(request, "www-authenticate", "Basic realm=\"flotilla\", charset=\"UTF-8\"");
    web_answer_text(request, status, "%s", why);
    return false;
}

static void route(struct web_request *request, bool socket)
{
    bool other_kind = false;

    request->route = find_route(request->server, request->path, socket, &other_kind);
    if (!request->route && other_kind)
        web_answer_text(request, 400, socket ? "this is no websocket" : "this is a websocket");
    else if (!request->route)
        web_answer_text(request, 404, "there is nothing here");
    else if (may_see(request))
        request->route->handler(request->server->options.arg, request);
}

void web_request_begin(struct web_request *request, bool socket)
{
    request->phase = WEB_HANDLED;
    request->inside = true;
    web_request_set_deadline(request, WEB_QUIET_MS);
    if (take_head(request, socket))
        route(request, socket);
    if (request->phase == WEB_HANDLED && !request->on_gone)
        web_answer_text(request, 500, "this failed here; the log may say why");
    request->inside = false;
}
