/* core/job/shell/powershell_quote.c - see powershell_quote.h. */
#include "core/job/shell/powershell_quote.h"

#include <string.h>

#include "core/base/str.h"

static bool is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (*c < ' ' || *c > '~')
            return false;
    return true;
}

void powershell_bytes(struct buf *out, const char *value)
{
    buf_add_str(out, "[Convert]::FromBase64String('");
    (void) base64_encode(out, value, strlen(value));
    buf_add_str(out, "')");
}

void powershell_value(struct buf *out, const char *value)
{
    if (!is_plain(value)) {
        buf_add_str(out, "([Text.Encoding]::UTF8.GetString(");
        powershell_bytes(out, value);
        buf_add_str(out, "))");
        return;
    }
    buf_add_char(out, '\'');
    for (const char *c = value; *c; c++) {
        if (*c == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, *c);
    }
    buf_add_char(out, '\'');
}

void powershell_array(struct buf *out, const char *const *values, size_t n)
{
    buf_add_str(out, "@(");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_str(out, ", ");
        powershell_value(out, values[i]);
    }
    buf_add_char(out, ')');
}

/* UTF-16 of ASCII. */
void powershell_encode_command(struct buf *out, const char *script)
{
    autobuf struct buf wide = BUF_INIT;

    for (const char *c = script; *c; c++) {
        buf_add_char(&wide, *c);
        buf_add_char(&wide, '\0');
    }
    (void) base64_encode(out, wide.data, wide.len);
    buf_inherit_error(out, &wide);
}
