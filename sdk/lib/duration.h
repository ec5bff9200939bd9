/* sdk/lib/duration.h - durations as config.toml writes them, for the plugin_config of providers: Go's syntax
 * ("1m30s", "1.5h"), without a sign, at most a year. Used by plugins.
 */
#ifndef FLOTILLA_LIB_DURATION_H
#define FLOTILLA_LIB_DURATION_H

#include <json-c/json.h>
#include <stdint.h>

/* What a wrong one is answered with: "plugin_config.KEY must be ...". */
#define FLT_DURATION_WANTED                                                                        \
    "a duration of at most a year: a string such as \"1m30s\", or a number of seconds"

/* 0 and the milliseconds, or -1. */
int flt_duration_parse(const char *text, int64_t *ret_ms);
/* A string, or a number of seconds. */
int flt_duration_of_json(struct json_object *value, int64_t *ret_ms);

#endif
