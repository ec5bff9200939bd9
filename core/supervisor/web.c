/* core/supervisor/web.c - what is served on listen_address: the table of its routes, and the server as the
 * configuration wants it.
 *
 * A reload may change the address, the files of TLS and the token; then the former server ends with its connections and
 * another begins. An address that cannot be listened on stops nothing: it is told once and tried again. */
#include "core/supervisor/web.h"

#include <errno.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/web_page.h"
#include "core/web/form.h"
#include "core/web/page.h"
#include "core/web/server.h"

#define LOG_TOPIC "web"
#include "core/base/log.h"

#define PEM_MAX ((size_t) 1024 * 1024)
#define AGAIN_MS 10000

static const struct web_route routes[] = {
    { "/metrics", .known_host = true, .handler = web_answer_metrics },
    { "/debug/jobs/list", .known_host = true, .handler = web_answer_jobs },
    { "/health/live", .handler = web_answer_live },
    { "/health/ready", .handler = web_answer_ready },
    { "/debug/process/state", .handler = web_answer_process_state },
    /* The status page's are the last, and the one that leads to it is the first of them. */
    { "/", .handler = web_page_lead },
    { "/status", .handler = web_page_lead },
    { "/status/page.css", .handler = web_page_answer }, /* the form has them, too */
    { "/status/icon.svg", .handler = web_page_answer },
    { "/status/login", .form = true, .handler = web_form_enter },
    { "/status/login", .needs_login = true, .handler = web_form_entered },
    { "/status/logout", .form = true, .handler = web_form_leave },
    { "/status/visit", .needs_login = true, .handler = web_form_tell },
    { "/status/events", .needs_login = true, .handler = web_page_events },
    { "/status/log", .needs_login = true, .handler = web_page_log },
    { "/status/history", .needs_login = true, .handler = web_page_history },
    { "/status/explain", .needs_login = true, .handler = web_page_explain },
    { "/status/*", .needs_login = true, .handler = web_page_answer },
};

struct wish { /* what a server is made of */
    struct sockaddr_storage address;
    struct secret *certificate, *key, *token;
    char *host_names;
    bool serves, page;
};

struct web {
    struct web_server *server;
    struct wish wish;
    int64_t again_mono; /* 0 = it serves, or is not to */
    char problem[300];  /* as it was told last; "" = there is none */
};

static void wish_done(struct wish *wish)
{
    secret_free(wish->certificate);
    secret_free(wish->key);
    secret_free(wish->token);
    free(wish->host_names);
    *wish = (struct wish) { 0 };
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    return !a == !b && secret_len(a) == secret_len(b) &&
           mem_equal_secret(secret_reveal(a), secret_reveal(b), secret_len(a));
}

static bool same_wish(const struct wish *a, const struct wish *b)
{
    if (a->serves != b->serves || !a->serves)
        return a->serves == b->serves;
    return a->page == b->page && memcmp(&a->address, &b->address, sizeof(a->address)) == 0 &&
           same_secret(a->certificate, b->certificate) && same_secret(a->key, b->key) &&
           same_secret(a->token, b->token) && str_eq(a->host_names, b->host_names);
}

static int read_pem(const char *file, struct secret **ret, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    int r;

    if (str_empty(file))
        return 0;
    r = fs_read_file(AT_FDCWD, file, PEM_MAX, &text, err);
    if (r < 0)
        return r;
    *ret = secret_new(buf_str(&text), text.len);
    return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/* With spaces between. */
static char *join_names(const struct config_web *web)
{
    struct buf names = BUF_INIT;

    for (size_t i = 0; i < web->n_host_names; i++)
        buf_addf(&names, "%s%s", i > 0 ? " " : "", web->host_names[i]);
    return buf_take(&names);
}

static const char *wanted_address(const struct supervisor *supervisor)
{
    const char *address = supervisor->options.listen_address;

    return address ? address : supervisor->config->listen_address;
}

static int make_wish(const struct supervisor *supervisor, struct wish *ret, struct error *err)
{
    const struct config_web *web = &supervisor->config->web;
    int r;

    if (str_empty(wanted_address(supervisor)))
        return 0;
    ret->serves = true;
    ret->page = web->status_page;
    r = address_parse(wanted_address(supervisor), CONFIG_WEB_PORT, &ret->address);
    if (r < 0)
        return error_set(err, r, "'%s' is no address to listen on", wanted_address(supervisor));
    r = read_pem(web->certificate_file, &ret->certificate, err);
    if (r == 0)
        r = read_pem(web->key_file, &ret->key, err);
    if (r == 0 && (!(ret->host_names = join_names(web)) ||
                   (web->token && !(ret->token = secret_dup(web->token)))))
        r = error_set(err, -ENOMEM, "out of memory");
    return r;
}

static void tell(const struct web *web)
{
    const struct sockaddr_storage *address = web_server_address(web->server);
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text);
    log_notice("metrics are served on %s%s", text,
               web->wish.page ? " and the status page below /status/" : "");
    if (!address_is_loopback(address) && !web->wish.certificate)
        log_warning(
            "whoever reaches %s can read the metrics there, without TLS: set certificate_file "
            "and key_file in [web], or listen on 127.0.0.1, ignoring",
            text);
}

static size_t count_routes(bool page)
{
    size_t n = 0;

    while (n < ARRAY_LEN(routes) && (page || routes[n].handler != web_page_lead))
        n++;
    return n;
}

static int serve(struct supervisor *supervisor, struct error *err)
{
    struct web *web = supervisor->web;
    const struct wish *wish = &web->wish;
    const struct web_options options = { .address = wish->address,
                                         .certificate = wish->certificate
                                                            ? secret_reveal(wish->certificate)
                                                            : NULL,
                                         .key = wish->key ? secret_reveal(wish->key) : NULL,
                                         .token = wish->token,
                                         .routes = routes,
                                         .n_routes = count_routes(wish->page),
                                         .host_names = wish->host_names,
                                         .arg = supervisor };

    return web_server_start(supervisor->loop, &options, &web->server, err);
}

/* As the configuration wants it, unless it is so already. */
static void arrange(struct supervisor *supervisor)
{
    struct web *web = supervisor->web;
    struct error err = { 0 };
    struct wish wish = { 0 };
    int r = make_wish(supervisor, &wish, &err);

    web->again_mono = 0;
    if (r == 0 && same_wish(&wish, &web->wish) && (web->server || !wish.serves)) {
        wish_done(&wish);
        return;
    }
    if (r == 0) {
        web_server_close(take_ptr(web->server));
        wish_done(&web->wish);
        web->wish = wish;
        r = wish.serves ? serve(supervisor, &err) : 0;
    } else
        wish_done(&wish);
    if (r == 0 && web->server)
        tell(web);
    if (r < 0) {
        web->again_mono = now_mono(supervisor) + fault_limit_ms("web_again", AGAIN_MS);
        if (!str_eq(web->problem, err.message))
            log_error("metrics and status page: %s, retrying each %d s", err.message,
                      AGAIN_MS / 1000);
    }
    (void) str_cut(web->problem, sizeof(web->problem), r < 0 ? err.message : "");
}

int web_start(struct supervisor *supervisor, struct error *err)
{
    supervisor->web = mem_zero(sizeof(*supervisor->web));
    if (!supervisor->web)
        return error_set(err, -ENOMEM, "out of memory");
    if (web_page_start(supervisor, err) < 0)
        return err->code;
    arrange(supervisor);
    return 0;
}

void web_reconfigure(struct supervisor *supervisor)
{
    arrange(supervisor);
}

void web_tick(struct supervisor *supervisor)
{
    if (supervisor->web->again_mono > 0 && now_mono(supervisor) >= supervisor->web->again_mono)
        arrange(supervisor);
    if (supervisor->web->server)
        web_page_turn(supervisor);
}

void web_stop(struct supervisor *supervisor)
{
    struct web *web = take_ptr(supervisor->web);

    if (!web)
        return;
    web_server_close(web->server);
    web_page_stop(supervisor);
    wish_done(&web->wish);
    free(web);
}
