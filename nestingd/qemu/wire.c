/* nestingd/qemu/wire.c - see wire.h. */
#include "nestingd/qemu/wire.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"

enum { SHOWN_MAX = 200 };

static int read_error(json_t *object, struct error *err)
{
    autobuf struct buf shown = BUF_INIT;
    const char *text = "";

    (void) json_opt_str(object, "desc", &text, NULL);
    if (!*text)
        text = "it does not say why";
    str_display(&shown, text, strlen(text), SHOWN_MAX);
    return error_set(err, -EREMOTEIO, "%s", buf_str(&shown));
}

static int read_message(json_t *message, enum wire_kind *kind, json_t **body, struct error *err)
{
    json_t *value = NULL;

    if (!json_object_is_type(message, json_type_object))
        return error_set(err, -EPROTO, "an answer that is no object");
    if (json_object_object_get_ex(message, "return", &value)) {
        *kind = WIRE_RETURN;
        *body = json_object_get(value);
    } else if (json_object_object_get_ex(message, "error", &value)) {
        *kind = WIRE_ERROR;
        (void) read_error(json_object_is_type(value, json_type_object) ? value : message, err);
    } else if (json_object_object_get_ex(message, "event", &value)) {
        *kind = WIRE_EVENT;
    } else if (json_object_object_get_ex(message, "QMP", &value)) {
        *kind = WIRE_GREETING;
    } else {
        return error_set(err, -EPROTO, "an answer that is none of those it may give");
    }
    return 1;
}

int wire_take(struct buf *in, enum wire_kind *kind, json_t **body, struct error *err)
{
    char *end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
    size_t len = end ? (size_t) (end - in->data) : in->len;
    autojson json_t *message = NULL;
    int r;

    if (len > WIRE_LINE_MAX)
        return error_set(err, -EPROTO, "an answer of more than %zu bytes", WIRE_LINE_MAX);
    if (!end)
        return 0;
    r = json_parse(in->data, len, &message, err);
    buf_consume(in, len + 1);
    *body = NULL;
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return error_wrap(err, -EPROTO, "an answer that is no JSON");
    return read_message(message, kind, body, err);
}

bool wire_skip_to_mark(struct buf *in)
{
    const char *mark = in->len > 0 ? memchr(in->data, 0xff, in->len) : NULL;

    buf_consume(in, mark ? (size_t) (mark - in->data) + 1 : in->len);
    return mark != NULL;
}
