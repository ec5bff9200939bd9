/* core/base/json.h - reading JSON from outside with limits, and getters whose errors name the
 * field.
 *
 * On top of json-c. Getters leave *ret untouched unless they return 0. Borrowed strings live as
 * long as the object.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/buf.h"
#include "core/base/error.h"

typedef struct json_object json_t;

static inline void cleanup_json_put(json_t **json)
{
    int saved = errno;

    if (*json)
        json_object_put(*json);
    errno = saved;
}
#define autojson __attribute__((cleanup(cleanup_json_put)))

/* One value, depth <= 64, nothing behind it but white space. */
int json_parse(const char *text, size_t len, json_t **ret, struct error *err);

/* `key` missing or null: -ENOENT for json_need_*, 0 with the default kept for json_opt_*; a wrong
 * type is -EINVAL in both. */
int json_need_str(json_t *obj, const char *key, const char **ret, struct error *err);
int json_need_i64(json_t *obj, const char *key, int64_t min, int64_t max, int64_t *ret,
                  struct error *err);
int json_opt_str(json_t *obj, const char *key, const char **ret, struct error *err);
int json_opt_i64(json_t *obj, const char *key, int64_t min, int64_t max, int64_t *ret,
                 struct error *err);
int json_opt_bool(json_t *obj, const char *key, bool *ret, struct error *err);
int json_opt_array(json_t *obj, const char *key, json_t **ret, struct error *err);  /* borrowed */
int json_opt_object(json_t *obj, const char *key, json_t **ret, struct error *err); /* borrowed */

/* Adding; -ENOMEM leaves the object as it was. A NULL string adds nothing. */
int json_add_str(json_t *obj, const char *key, const char *value);
int json_add_i64(json_t *obj, const char *key, int64_t value);
int json_add_bool(json_t *obj, const char *key, bool value);
int json_add(json_t *obj, const char *key, json_t *value); /* takes value, also on failure */
json_t *json_frame(const char *type);                      /* {"type": type} */
const char *json_text(json_t *json); /* plain, no spaces; lives until the next call on the object */
/* `text` as a string of JSON, in quotes; bytes that are no UTF-8 stay as they are. */
void json_quote(struct buf *out, const char *text, size_t len);
