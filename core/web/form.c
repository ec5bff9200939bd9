/* core/web/form.c - the form, what comes of it, and the cookie (form.h).
 *
 * A cookie goes to each server under the same host's name, whatever its port is: the port stands in its name, so that
 * two managers do not take each other's away. */
#include "core/web/form.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/page/page.h"
#include "core/web/internal.h"
#include "core/web/page.h"

#define COOKIE_NAME_SIZE 40
#define FIELD "token="
#define BELOW "./" /* the page, from where the form is sent to */

/* The port as the browser knows it. The name with TLS is taken from this very host alone, and not by a part of it. */
static void name_cookie(const struct web_request *request, char dst[COOKIE_NAME_SIZE])
{
    char host[300];
    const char *colon = NULL;
    int64_t port = 0;

    if (web_header(request, "host", host, sizeof(host)))
        colon = strrchr(host, ':');
    if (colon)
        (void) parse_i64(colon + 1, 1, UINT16_MAX, &port);
    (void) snprintf(dst, COOKIE_NAME_SIZE, "%s-%d",
                    request->server->certificate ? "__Host-flotilla" : "flotilla-plain",
                    (int) port);
}

static void set_cookie(struct web_request *request, const char *key, int64_t seconds)
{
    char name[COOKIE_NAME_SIZE], line[COOKIE_NAME_SIZE + WEB_VISIT_KEY_SIZE + 100];

    name_cookie(request, name);
    (void) snprintf(line, sizeof(line), "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                    name, key, (int) seconds, request->server->certificate ? "; Secure" : "");
    web_add_header(request, "set-cookie", line);
    secret_wipe(line, sizeof(line));
}

void web_form_take_cookie(struct web_request *request)
{
    char name[COOKIE_NAME_SIZE], key[WEB_VISIT_KEY_SIZE + 1] = "";
    size_t size = sizeof(key);

    name_cookie(request, name);
    if (lws_http_cookie_get(request->wsi, name, key, &size) == 0)
        request->visit =
            web_visits_find(&request->server->visits, key, clock_mono_ms(&clock_system));
    secret_wipe(key, sizeof(key));
}

/* The form. */

static bool comes_from_elsewhere(const struct web_request *request)
{
    char site[32];

    return web_header(request, "sec-fetch-site", site, sizeof(site)) &&
           (str_eq(site, "cross-site") || str_eq(site, "same-site"));
}

/* Up to the mark, behind which the next part begins. */
static void add_part(struct buf *out, const struct web_page_file *file, const char *mark,
                     size_t *at)
{
    const char *text = (const char *) file->data + *at;
    const char *end = memmem(text, file->len - *at, mark, strlen(mark));

    if (!end)
        return;
    buf_add(out, text, (size_t) (end - text));
    *at += (size_t) (end - text) + strlen(mark);
}

void web_form_show(struct web_request *request, unsigned status, const char *sentence)
{
    const struct web_page_file *file = web_page_find("login.html");
    autobuf struct buf body = BUF_INIT;
    size_t at = 0;

    add_part(&body, file, "<!-- sentence -->", &at);
    if (sentence) {
        buf_add_str(&body, "<p class=\"problem\" role=\"alert\">");
        page_add_text(&body, sentence);
        buf_add_str(&body, "</p>");
    }
    add_part(&body, file, "<!-- again -->", &at);
    /* A strict cookie does not come with a link of another page; with a link of this one it does. */
    if (comes_from_elsewhere(request))
        buf_add_str(&body, "<p><a href=\"" BELOW "\">I am logged in already</a></p>");
    buf_add(&body, file->data + at, file->len - at);
    /* Browsers ask with a dialog of their own where this says Basic. */
    if (status == 401)
        web_add_header(request, "www-authenticate", "Bearer realm=\"flotilla\"");
    web_answer(request, status, file->type, &body);
}

static void go_on(struct web_request *request)
{
    web_add_header(request, "location", BELOW);
    web_answer_text(request, 303, "the page is there");
}

/* What was typed; false: there is no such field, or it is not written as one. */
static bool read_token(const struct web_request *request, char *dst, size_t size)
{
    autobuf struct buf field = BUF_SECRET;
    const char *at = buf_str(&request->body);

    while (!str_starts(at, FIELD)) {
        at = strchr(at, '&');
        if (!at++)
            return false;
    }
    at += strlen(FIELD);
    buf_add(&field, at, strcspn(at, "&"));
    return buf_error(&field) == 0 && lws_urldecode(dst, buf_str(&field), (int) size) == 0;
}

void web_form_enter(void *arg, struct web_request *request)
{
    struct web_server *server = request->server;
    int64_t now = clock_mono_ms(&clock_system);
    char text[WEB_FORM_MAX + 1], key[WEB_VISIT_KEY_SIZE];
    bool right;

    (void) arg;
    if (!server->token) {
        go_on(request);
        return;
    }
    if (!web_guesses_allow(&server->guesses, &request->peer, now)) {
        web_form_show(request, 429, WEB_TOO_MANY_GUESSES);
        return;
    }
    right = read_token(request, text, sizeof(text)) &&
            web_login_is_token(server->token, text, strlen(text));
    secret_wipe(text, sizeof(text));
    if (!right) {
        web_guesses_note(&server->guesses, &request->peer, now);
        web_form_show(request, 401, "This is not the token.");
        return;
    }
    web_visits_begin(&server->visits, &rng_system, now, key);
    set_cookie(request, key, WEB_VISIT_MS / 1000);
    secret_wipe(key, sizeof(key));
    go_on(request);
}

void web_form_entered(void *arg, struct web_request *request)
{
    (void) arg;
    go_on(request);
}

void web_form_leave(void *arg, struct web_request *request)
{
    (void) arg;
    web_visits_end(&request->server->visits, request->visit);
    request->visit = 0;
    set_cookie(request, "", 0);
    go_on(request);
}

void web_form_tell(void *arg, struct web_request *request)
{
    autobuf struct buf body = BUF_INIT;

    (void) arg;
    buf_addf(&body, "{\"visit\":%s}", request->visit > 0 ? "true" : "false");
    web_answer(request, 200, "application/json", &body);
}
