/* core/job/variables.c - the rules of variables.h. */
#include "core/job/variables.h"

#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

#define NAME_MAX_LEN 256
#define VALUE_MAX ((size_t) 1024 * 1024)
#define TOTAL_MAX ((size_t) 16 * 1024 * 1024)
#define COUNT_MAX 10000

static bool name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_part(char c)
{
    return name_start(c) || (c >= '0' && c <= '9');
}

bool variable_name_valid(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_LEN || !name_start(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!name_part(name[i]))
            return false;
    return true;
}

void variables_done(struct variables *list)
{
    for (size_t i = 0; i < list->n; i++) {
        secret_wipe_str(list->items[i].value);
        free(list->items[i].value);
        free(list->items[i].key);
    }
    free(list->items);
    *list = (struct variables) { 0 };
}

static int append(struct variables *list, const char *key, const char *value, struct variable **ret)
{
    struct variable *grown;

    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;

        grown = mem_resize(list->items, cap, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        list->items = grown;
        list->cap = cap;
    }
    grown = &list->items[list->n];
    *grown = (struct variable) { .key = mem_strdup(key), .value = mem_strdup(value) };
    if (!grown->key || !grown->value) {
        free(grown->key);
        free(grown->value);
        return -ENOMEM;
    }
    list->n++;
    *ret = grown;
    return 0;
}

int variables_add(struct variables *list, const char *key, const char *value)
{
    struct variable *variable = NULL;

    return append(list, key, value ? value : "", &variable);
}

static int add_one(struct variables *list, json_t *item, size_t *total, struct error *err)
{
    const char *key = NULL, *value = "";
    struct variable *variable = NULL;
    int r = json_need_str(item, "key", &key, err);

    if (r < 0)
        return error_wrap(err, r, "variables");
    if (!variable_name_valid(key))
        return 1;
    r = json_opt_str(item, "value", &value, err);
    if (r < 0)
        return error_wrap(err, r, "variable %s", key);
    *total += strlen(value);
    if (strlen(value) > VALUE_MAX || *total > TOTAL_MAX)
        return error_set(err, -EFBIG,
                         "variable %s: is longer than %zu bytes, or all together are "
                         "longer than %zu",
                         key, VALUE_MAX, TOTAL_MAX);
    r = append(list, key, value, &variable);
    if (r < 0)
        return error_set(err, r, "variables: out of memory");
    (void) json_opt_bool(item, "file", &variable->file, NULL);
    (void) json_opt_bool(item, "raw", &variable->raw, NULL);
    (void) json_opt_bool(item, "masked", &variable->masked, NULL);
    return 0;
}

int variables_add_payload(struct variables *list, json_t *array, size_t *ret_skipped,
                          struct error *err)
{
    size_t n = array ? json_object_array_length(array) : 0, total = 0;

    *ret_skipped = 0;
    if (n > COUNT_MAX)
        return error_set(err, -E2BIG, "the job has %zu variables, at most %d are taken", n,
                         COUNT_MAX);
    for (size_t i = 0; i < n; i++) {
        int r = add_one(list, json_object_array_get_idx(array, i), &total, err);

        if (r < 0)
            return r;
        *ret_skipped += r == 1;
    }
    return 0;
}

static const struct variable *find(const struct variables *list, const char *key, size_t len)
{
    for (size_t i = list->n; i > 0; i--)
        if (strncmp(list->items[i - 1].key, key, len) == 0 && !list->items[i - 1].key[len])
            return &list->items[i - 1];
    return NULL;
}

static void add_reference(struct buf *out, const struct variables *list, const char *key,
                          size_t len, const char *tmp_dir)
{
    const struct variable *variable = find(list, key, len);

    if (!variable)
        return;
    if (variable->file)
        buf_addf(out, "%s/%s", tmp_dir, variable->key);
    else
        buf_add_str(out, variable->value);
}

/* $NAME, ${NAME}; $$ is a dollar; special parameters and unknown names give nothing. */
static void expand(struct buf *out, const struct variables *list, const char *text,
                   const char *tmp_dir)
{
    while (*text) {
        size_t plain = strcspn(text, "$"), len = 0;

        buf_add(out, text, plain);
        text += plain;
        if (!*text)
            return;
        text++;
        if (*text == '$') {
            buf_add_char(out, '$');
            text++;
        } else if (*text == '{') {
            const char *end = strchr(text, '}');

            if (!end)
                return; /* as the peer's: an open brace swallows the rest */
            add_reference(out, list, text + 1, (size_t) (end - text - 1), tmp_dir);
            text = end + 1;
        } else if (*text && strchr("*#@!?-0123456789", *text)) {
            text++;
        } else {
            while (name_part(text[len]))
                len++;
            if (len == 0)
                buf_add_char(out, '$');
            else
                add_reference(out, list, text, len, tmp_dir);
            text += len;
        }
    }
}

int variables_expand(struct variables *list, const char *tmp_dir)
{
    autofree char **values = mem_array(list->n + 1, sizeof(*values));

    if (!values)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++) {
        struct buf out = { .max = TOTAL_MAX };

        if (list->items[i].raw || !strchr(list->items[i].value, '$'))
            continue;
        expand(&out, list, list->items[i].value, tmp_dir);
        values[i] = buf_take(&out);
        if (!values[i]) {
            while (i-- > 0)
                free(values[i]);
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        if (!values[i])
            continue;
        secret_wipe_str(list->items[i].value);
        free(list->items[i].value);
        list->items[i].value = values[i];
    }
    return 0;
}

const char *variables_get(const struct variables *list, const char *key)
{
    const struct variable *variable = find(list, key, strlen(key));

    return variable ? variable->value : NULL;
}

bool variables_flag(const struct variables *list, const char *key, bool fallback)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };
    const char *value = variables_get(list, key);

    for (size_t i = 0; value && i < ARRAY_LEN(yes); i++) {
        if (str_eq(value, yes[i]))
            return true;
        if (str_eq(value, no[i]))
            return false;
    }
    return fallback;
}
