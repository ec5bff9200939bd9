/* helper/archive/tar.h - what reading and writing tar by libarchive have in common.
 *
 * libarchive converts names by the locale of the thread. Ours are bytes, which are UTF-8 more often
 * than not: in a UTF-8 locale it leaves them as they are.
 */
#pragma once

#include <locale.h>

/* What to give back; (locale_t) 0 when there is no such locale, and nothing was changed. */
static inline locale_t tar_use_utf8(void)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);

    return utf8 ? uselocale(utf8) : (locale_t) 0;
}

static inline void tar_restore_locale(locale_t before)
{
    locale_t utf8 = before ? uselocale(before) : (locale_t) 0;

    if (utf8)
        freelocale(utf8);
}
