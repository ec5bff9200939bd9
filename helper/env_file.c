/* helper/env_file.c - see env_file.h. */
#include "helper/env_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

#define FILE_MAX (1 << 20)

/* What is between double quotes, with its escapes undone; in single quotes or none, as it is. */
static void add_value(struct buf *out, const char *value)
{
    size_t len = strlen(value);
    bool is_double = len >= 2 && value[0] == '"' && value[len - 1] == '"',
         is_single = len >= 2 && value[0] == '\'' && value[len - 1] == '\'';

    if (!is_double) {
        buf_add(out, is_single ? value + 1 : value, is_single ? len - 2 : len);
        return;
    }
    for (size_t i = 1; i + 1 < len; i++) {
        char c = value[i];

        if (c == '\\' && i + 2 < len) {
            c = value[++i];
            c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        buf_add_char(out, c);
    }
}

static int add_line(struct env_file *file, const char *line)
{
    autobuf struct buf pair = BUF_SECRET;
    const char *equals = strchr(line, '=');
    char **grown;

    if (*line == '#' || !equals || equals == line)
        return 0;
    buf_add(&pair, line, (size_t) (equals + 1 - line));
    add_value(&pair, equals + 1);
    grown = mem_resize(file->lines, file->n + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    file->lines = grown;
    file->lines[file->n] = buf_error(&pair) ? NULL : mem_strdup(buf_str(&pair));
    return file->lines[file->n] ? (file->n++, 0) : -ENOMEM;
}

int env_file_read(const char *path, struct env_file *ret, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    char *rest, *line;
    int r;

    *ret = (struct env_file) { 0 };
    if (str_empty(path))
        return 0;
    r = fs_read_file(AT_FDCWD, path, FILE_MAX, &text, err);
    if (r < 0)
        return error_wrap(err, r, "env-file");
    rest = text.data;
    while ((line = strsep(&rest, "\n")))
        if (add_line(ret, line) < 0)
            return error_set(err, -ENOMEM, "env-file '%s': out of memory", path);
    return 0;
}

void env_file_done(struct env_file *file)
{
    for (size_t i = 0; i < file->n; i++) {
        secret_wipe_str(file->lines[i]);
        free(file->lines[i]);
    }
    free(file->lines);
    *file = (struct env_file) { 0 };
}

const char *env_file_get(const struct env_file *file, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = file->n; i > 0; i--)
        if (strncmp(file->lines[i - 1], key, len) == 0 && file->lines[i - 1][len] == '=')
            return file->lines[i - 1] + len + 1;
    return getenv(key);
}
