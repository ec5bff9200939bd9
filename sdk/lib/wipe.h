/* sdk/lib/wipe.h - text that holds a secret is wiped before its memory goes back. Used by all of this folder. */
#ifndef FLOTILLA_LIB_WIPE_H
#define FLOTILLA_LIB_WIPE_H

#include <stdlib.h>
#include <string.h>

/* NULL is fine. */
static inline void flt_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static inline void flt_wipe_at(char **text)
{
    flt_wipe(*text);
}

/* A local `FLT_WIPED char *x = NULL;` is wiped and freed at the end of its scope. */
#define FLT_WIPED __attribute__((cleanup(flt_wipe_at)))

#endif
