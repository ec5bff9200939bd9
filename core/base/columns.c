/* core/base/columns.c - widths are libc's for UTF-8, whatever the locale of the person is, because
 * whole characters are what str_display() leaves. */
#include "core/base/columns.h"

#include <locale.h>
#include <wchar.h>

#include "core/base/str.h"

#define TAB "    "

/* Made once and kept: it is asked for in every line of every frame. */
static locale_t utf8_locale(void)
{
    static locale_t locale;

    if (!locale)
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    return locale;
}

/* Bytes of the first character, and how many columns it takes. Where libc knows no UTF-8 or not this
 * character it is one. */
static size_t next(const char *text, size_t *ret_columns)
{
    mbstate_t state = { 0 };
    wchar_t wide;
    size_t len = mbrtowc(&wide, text, strlen(text), &state);
    int width;

    *ret_columns = 1;
    if (len == 0 || len == (size_t) -1 || len == (size_t) -2)
        return 1;
    width = wcwidth(wide);
    if (width >= 0)
        *ret_columns = (size_t) width;
    return len;
}

/* Bytes that fit into `columns`; *ret_used is what they take. */
static size_t fit(const char *text, size_t columns, size_t *ret_used)
{
    locale_t utf8 = utf8_locale(), before = utf8 ? uselocale(utf8) : (locale_t) 0;
    size_t at = 0, used = 0, width;

    while (text[at]) {
        size_t len = next(text + at, &width);

        if (used + width > columns)
            break;
        at += len;
        used += width;
    }
    if (utf8)
        (void) uselocale(before);
    *ret_used = used;
    return at;
}

size_t columns_of(const char *text)
{
    size_t used;

    (void) fit(text, SIZE_MAX / 2, &used);
    return used;
}

static void display(struct buf *out, const char *text)
{
    for (const char *tab; (tab = strchr(text, '\t')); text = tab + 1) {
        str_display(out, text, (size_t) (tab - text), SIZE_MAX / 8);
        buf_add_str(out, TAB);
    }
    str_display(out, text, strlen(text), SIZE_MAX / 8);
}

static size_t add(struct buf *out, const char *text, size_t columns)
{
    autobuf struct buf shown = BUF_INIT;
    size_t len, used;

    display(&shown, text);
    len = fit(buf_str(&shown), columns, &used);
    if (len == shown.len || columns == 0) {
        buf_add(out, buf_str(&shown), len);
        return used;
    }
    len = fit(buf_str(&shown), columns - 1, &used);
    buf_add(out, buf_str(&shown), len);
    buf_add_str(out, "\xe2\x80\xa6");
    return used + 1;
}

void columns_add(struct buf *out, const char *text, size_t columns)
{
    (void) add(out, text, columns);
}

void columns_add_padded(struct buf *out, const char *text, size_t columns)
{
    buf_addf(out, "%*s", (int) (columns - add(out, text, columns)), "");
}
