/* core/web/form.h - how a browser logs in: a form that asks for the token, and a cookie from then on.
 *
 * What needs a login (server.h) is answered to a browser with the form. The cookie is a random key that the server knows
 * (visits.h), so it ends with the server, after a time, and with a press on "Log out". Scripts go on to show the token
 * with each request.
 */
#pragma once

#include "core/web/server.h"

/* Handlers, below the same folder as the page that needs the login: */
void web_form_enter(void *arg, struct web_request *request);   /* of a form: "login" */
void web_form_entered(void *arg, struct web_request *request); /* "login", with a login */
void web_form_leave(void *arg, struct web_request *request);   /* of a form: "logout" */
/* Is it a cookie by which the page is seen? {"visit":true}; with a login. */
void web_form_tell(void *arg, struct web_request *request);
