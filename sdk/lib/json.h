/* sdk/lib/json.h - JSON that a cloud or a file brought, read by json-c with limits, and getters whose errors say
 * where. Used by aws_client.c, the sources of credentials and plugins.
 *
 * A path is names with dots, "Credentials.Expiration". Texts and values are borrowed from the document. Errors are
 * sentences in `error` (FLT_ERROR_MAX bytes), which hold no value.
 */
#ifndef FLOTILLA_LIB_JSON_H
#define FLOTILLA_LIB_JSON_H

#include "sdk/lib/text.h"

#include <json-c/json.h>
#include <stdint.h>

/* One value of at most 64 levels in UTF-8, with nothing but white space behind it; json_object_put() it. Returns 0 or
 * -1; "null" gives NULL. */
int flt_json_parse(const char *text, size_t len, struct json_object **ret, char *error);

/* NULL when it, or a level above it, is not there or null. */
struct json_object *flt_json_find(struct json_object *object, const char *path);
/* For what decides nothing: NULL when it is no string. */
const char *flt_json_text(struct json_object *object, const char *path);

/* These return 0, or -1: "Credentials.Expiration is missing", "... must be a string"; `error` may be NULL where nobody
 * reads it. *ret is written with 0 alone. */
int flt_json_need_text(struct json_object *object, const char *path, const char **ret, char *error);
int flt_json_need_i64(struct json_object *object, const char *path, int64_t min, int64_t max,
                      int64_t *ret, char *error);
/* What is not there, or null, leaves *ret as it is. */
int flt_json_opt_text(struct json_object *object, const char *path, const char **ret, char *error);
int flt_json_opt_i64(struct json_object *object, const char *path, int64_t min, int64_t max,
                     int64_t *ret, char *error);
int flt_json_opt_bool(struct json_object *object, const char *path, int *ret, char *error);

#endif
