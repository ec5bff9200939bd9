/* core/job/shell/quote.c - quoting for sh, bash and their kin (quote.h). */
#include "core/job/shell/quote.h"

#include <string.h>

void quote_word(struct buf *out, const char *value)
{
    buf_add_char(out, '\'');
    for (;;) {
        size_t plain = strcspn(value, "'");

        buf_add(out, value, plain);
        if (!value[plain])
            break;
        buf_add(out, "'\\''", 4);
        value += plain + 1;
    }
    buf_add_char(out, '\'');
}

void quote_command(struct buf *out, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (i > 0)
            buf_add_char(out, ' ');
        quote_word(out, words[i]);
    }
    buf_add_char(out, '\n');
}

void quote_path(struct buf *out, const char *dir, const char *name)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, name);
    quote_word(out, buf_str(&path));
    buf_inherit_error(out, &path);
}
