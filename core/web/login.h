/* core/web/login.h - who may see what needs a login, and which requests come from foreign pages (hardening.md P7).
 * Pure.
 */
#pragma once

#include <stdbool.h>

#include "core/base/secret.h"

struct web_login {
    bool tls;
    bool loopback;    /* from this machine, and not handed on by a proxy */
    const char *host; /* the headers; NULL = absent */
    const char *origin, *authorization;
    const char *site;           /* Sec-Fetch-Site */
    const char *host_names;     /* with spaces between; NULL = none */
    bool visits;                /* it shows the cookie of one who has logged in */
    const struct secret *token; /* NULL = none is set */
};

/* 0, or the status to answer with, and a sentence that says why and what to do. */
unsigned web_login_check_origin(const struct web_login *login, const char **ret_why);
/* Of a form. */
unsigned web_login_check_form(const struct web_login *login, const char **ret_why);
/* Of what all may see. */
unsigned web_login_check_host(const struct web_login *login, const char **ret_why);
/* Whether a login from there would do. */
unsigned web_login_check_place(const struct web_login *login, const char **ret_why);
unsigned web_login_check(const struct web_login *login, const char **ret_why);

bool web_login_is_token(const struct secret *token, const char *text, size_t len);
