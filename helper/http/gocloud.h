/* helper/http/gocloud.h - a URL that names an object of a store, beside whose credentials it is of use
 * (job-execution.md 5.4): SCHEME://CONTAINER/OBJECT?SETTING=VALUE. */
#pragma once

#include "core/base/error.h"

struct gocloud {
    char scheme[16];
    char *container, *object; /* decoded */
    const char *query;        /* borrowed from the URL; "" = none */
};
int gocloud_parse(const char *url, struct gocloud *ret, struct error *err);
void gocloud_done(struct gocloud *url);
#define auto_gocloud __attribute__((cleanup(gocloud_done)))

/* A setting of the query, decoded; NULL = it is not there, or memory is short. The caller frees. */
char *gocloud_setting(const struct gocloud *url, const char *name);
