/* core/web/page.c - answers with the files of the status page (page.h). */
#include "core/web/page.h"

#include "core/base/str.h"

void web_page_answer(void *arg, struct web_request *request)
{
    const char *name = web_path_rest(request);
    autobuf struct buf body = BUF_INIT;

    (void) arg;
    if (!*name)
        name = "index.html";
    for (const struct web_page_file *file = web_page_files; file->name; file++)
        if (str_eq(file->name, name)) {
            buf_add(&body, file->data, file->len);
            web_answer(request, 200, file->type, &body);
            return;
        }
    web_answer_text(request, 404, "there is no such page here; the status page is at /status/");
}
