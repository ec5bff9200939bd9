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

/* The name that a browser has for this machine is no name that somebody else can lead here. */
static bool names_loopback(const char *host)
{
    struct sockaddr_storage address;

    return host && address_parse(host, 80, &address) == 0 && address_is_loopback(&address);
}

static bool is_token(const struct secret *token, const char *text, size_t len)
{
    return len == secret_len(token) && mem_equal_secret(text, secret_reveal(token), len);
}

static bool is_password(const struct secret *token, const char *encoded)
{
    char text[1024];
    int len = lws_b64_decode_string_len(encoded, (int) strlen(encoded), text, sizeof(text));
    const char *colon = len > 0 ? memchr(text, ':', (size_t) len) : NULL;
    bool right = colon && is_token(token, colon + 1, (size_t) len - (size_t) (colon + 1 - text));

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
    return (bearer && is_token(login->token, bearer, strlen(bearer))) ||
           (basic && is_password(login->token, basic));
}

unsigned web_login_check(const struct web_login *login, const char **ret_why)
{
    if (!login->loopback && (!login->tls || !login->token)) {
        *ret_why = "this is shown to this machine alone; for others set token (or token_file), "
                   "certificate_file and "
                   "key_file in [web]";
        return 403;
    }
    if (login->loopback && !names_loopback(login->host) && !login->token) {
        *ret_why = "this is shown under the names localhost, 127.0.0.1 and [::1] alone; for others "
                   "set token (or "
                   "token_file), certificate_file and key_file in [web]";
        return 403;
    }
    if (!login->token || shows_token(login))
        return 0;
    *ret_why = "log in with any name, and with the token of [web] as the password";
    return 401;
}
