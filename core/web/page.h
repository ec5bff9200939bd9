/* core/web/page.h - the status page: its files, which are part of the program. What it shows comes as events
 * (core/web/events.h) and answers of core/supervisor/web_page.c. */
#pragma once

#include "core/web/server.h"

struct web_page_file {
    const char *name, *type;
    const unsigned char *data;
    size_t len;
};
extern const struct web_page_file web_page_files[]; /* embed.py; an empty one ends them */
/* NULL: there is none. */
const struct web_page_file *web_page_find(const char *name);

/* A handler for routes below WEB_PAGE_PLACE: the file that is named behind it, index.html for nothing. */
#define WEB_PAGE_PLACE "/status/"
void web_page_answer(void *arg, struct web_request *request);
