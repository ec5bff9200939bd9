/* sdk/lib/text.h - text that grows, and the ways in which signatures write bytes. Used all over this
 * folder.
 */
#ifndef FLOTILLA_LIB_TEXT_H
#define FLOTILLA_LIB_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Of the buffers in which functions of this folder leave a sentence that says why they failed. */
#define FLT_ERROR_MAX 512

/* A stream into memory; whoever takes the text learns whether all of it is there. */
struct flt_text {
    FILE *stream; /* NULL = there was no memory for it; what is written then is lost */
    char *data;
    size_t len;
};

void flt_text_open(struct flt_text *text);
void flt_text_add(struct flt_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As RFC 3986 writes what is not letter, digit or one of -._~; a slash too, unless `path`. */
void flt_text_add_encoded(struct flt_text *text, const char *value, int path);
void flt_text_add_hex(struct flt_text *text, const unsigned char *data, size_t len);
/* Ends it: the caller frees. NULL without memory. */
char *flt_text_take(struct flt_text *text);

/* Makes a line of somebody else's fit to be shown: at most `max` bytes of it, no control characters, and no last
 * character of UTF-8 that is cut. */
void flt_text_clean(char *text, size_t max);

/* A time in UTC, in the forms that signatures want. */
struct flt_utc {
    char date[9];      /* "20261123" */
    char basic[17];    /* "20261123T100000Z" */
    char extended[21]; /* "2026-11-23T10:00:00Z" */
};
struct flt_utc flt_utc(long long seconds);
/* The extended form, also with a fraction, which is dropped, and another zone: "+00:00", "UTC". -EINVAL for anything
 * else. */
int flt_utc_parse(const char *text, int64_t *ret);

#endif
