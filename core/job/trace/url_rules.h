/* core/job/trace/url_rules.h - masks the values of secret URL parameters (hardening.md M7). */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"

#define URL_NAME_MAX 24 /* longer than every name */

/* Zeroed is the beginning of a stream. Nothing is held back. */
struct url_rules {
    enum { URL_TEXT, URL_NAME, URL_VALUE } part;
    char name[URL_NAME_MAX]; /* lower case */
    size_t name_len;
};

void url_rules_write(struct url_rules *rules, const char *data, size_t len, struct buf *out);
