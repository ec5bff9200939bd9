/* core/web/login.c - the rules of core/web/login.h.
 *
 * A browser that was led to a page of somebody else's may send requests to this machine. It tells of that page with
 * Origin; where the page's own name was made to lead to this machine, it tells the name with Host. A token is given as
 * a bearer's, or as the password of any user, which a browser asks for by itself and sends with every request.
 */
#include "core/web/login.h"

#include <libwebsockets.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/base/address.h"
#include "core/base/str.h"

/* "https://HOST" of `origin` names the same place as "HOST". */
static bool is_same_place(const char *origin, const char *host)
{
    const char *begin = strstr(origin, "://");

    return host && begin && strcasecmp(begin + strlen("://"), host) == 0;
}

unsigned web_login_check_origin(const struct web_login *login, const char **ret_why)
{
    if (!login->origin || is_same_place(login->origin, login->host))
        return 0;
    *ret_why = "this request comes from a page of another server; open the address here itself";
    return 403;
}

/* A browser tells of where a form comes from; other programs do nothing by somebody else's will. */
unsigned web_login_check_form(const struct web_login *login, const char **ret_why)
{
    if (!login->site || str_eq(login->site, "same-origin") || str_eq(login->site, "none"))
        return 0;
    *ret_why = "this form comes from a page of another server; open the address here itself";
    return 403;
}

static bool is_among(const char *names, const char *name, size_t len)
{
    for (size_t n; (n = strcspn(names, " ")) > 0; names += n + (names[n] == ' '))
        if (n == len && strncasecmp(names, name, n) == 0)
            return true;
    return false;
}

/* The name that a browser has for this machine is no name that somebody else can lead here. */
static bool names_us(const struct web_login *login)
{
    struct sockaddr_storage address;

    if (!login->host)
        return false;
    if (address_parse(login->host, 80, &address) == 0 && address_is_loopback(&address))
        return true;
    return login->host_names && is_among(login->host_names, login->host, strcspn(login->host, ":"));
}

unsigned web_login_check_host(const struct web_login *login, const char **ret_why)
{
    if (!login->loopback || names_us(login))
        return 0;
    *ret_why = "from this machine this is shown under the names localhost, 127.0.0.1 and [::1] "
               "alone; name others in host_names of [web]";
    return 403;
}

bool web_login_is_token(const struct secret *token, const char *text, size_t len)
{
    return len == secret_len(token) && mem_equal_secret(text, secret_reveal(token), len);
}

static bool is_password(const struct secret *token, const char *encoded)
{
    char text[1024];
    int len = lws_b64_decode_string_len(encoded, (int) strlen(encoded), text, sizeof(text));
    const char *colon = len > 0 ? memchr(text, ':', (size_t) len) : NULL;
    bool right =
        colon && web_login_is_token(token, colon + 1, (size_t) len - (size_t) (colon + 1 - text));

    secret_wipe(text, sizeof(text));
    return right;
}

/* What stands behind "Bearer ", say; NULL when it is not of that kind. */
static const char *behind(const char *text, const char *kind)
{
    size_t len = strlen(kind);

    return strncasecmp(text, kind, len) == 0 ? text + len : NULL;
}

static bool shows_token(const struct web_login *login)
{
    const char *bearer, *basic;

    if (!login->authorization)
        return false;
    bearer = behind(login->authorization, "Bearer ");
    basic = behind(login->authorization, "Basic ");
    return (bearer && web_login_is_token(login->token, bearer, strlen(bearer))) ||
           (basic && is_password(login->token, basic));
}

unsigned web_login_check_place(const struct web_login *login, const char **ret_why)
{
    if (!login->loopback && (!login->tls || !login->token)) {
        *ret_why = "this is shown to this machine alone; for others set token (or token_file), "
                   "certificate_file and "
                   "key_file in [web]";
        return 403;
    }
    return login->token ? 0 : web_login_check_host(login, ret_why);
}

unsigned web_login_check(const struct web_login *login, const char **ret_why)
{
    unsigned status = web_login_check_place(login, ret_why);

    if (status != 0 || !login->token || login->visits || shows_token(login))
        return status;
    *ret_why = "log in with any name, and with the token of [web] as the password";
    return 401;
}
