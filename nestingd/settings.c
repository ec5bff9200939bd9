/* nestingd/settings.c - see settings.h. */
#include "nestingd/settings.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/config/toml_json.h"

static int translate(const struct buf *text, struct buf *ret, struct toml_place *where,
                     struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    autojson json_t *json = NULL;
    int r = toml_parse(buf_str(text), text->len, &root, where, err);

    if (r == 0)
        r = toml_json(root, &json, where, err);
    if (r < 0)
        return r;
    buf_add_str(ret, json_text(json));
    return buf_error(ret) < 0 ? error_set(err, buf_error(ret), "out of memory") : 0;
}

int settings_read(const char *path, struct buf *ret, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    struct toml_place where = { 0 };
    int r;

    if (!str_ends(path, ".toml"))
        return fs_read_file(AT_FDCWD, path, SETTINGS_MAX, ret, err);
    r = fs_read_file(AT_FDCWD, path, SETTINGS_MAX, &text, err);
    if (r < 0)
        return r;
    r = translate(&text, ret, &where, err);
    return r < 0 ? error_wrap(err, r, "%s:%d:%d", path, where.line, where.column) : 0;
}

int settings_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
    autojson json_t *json = NULL;
    int r = len > 0 ? json_parse(text, len, &json, err) : 0;

    if (r == 0 && json && !json_object_is_type(json, json_type_object))
        r = error_set(err, -EINVAL, "settings are an object, not %s",
                      json_type_to_name(json_object_get_type(json)));
    if (r == 0)
        *ret = take_ptr(json);
    return r;
}
