/* core/web/page.c - answers with the files of the status page (page.h). */
#include "core/web/page.h"

#include <string.h>

#include "core/base/str.h"

const struct web_page_file *web_page_find(const char *name)
{
    for (const struct web_page_file *file = web_page_files; file->name; file++)
        if (str_eq(file->name, name))
            return file;
    return NULL;
}

void web_page_answer(void *arg, struct web_request *request)
{
    const char *name = web_path(request) + strlen(WEB_PAGE_PLACE);
    const struct web_page_file *file = web_page_find(*name ? name : "index.html");
    autobuf struct buf body = BUF_INIT;

    (void) arg;
    if (!file) {
        web_answer_text(request, 404,
                        "there is no such page here; the status page is at " WEB_PAGE_PLACE);
        return;
    }
    buf_add(&body, file->data, file->len);
    web_answer(request, 200, file->type, &body);
}
