/* core/job/variables.c - the rules of variables.h. */
#include "core/job/variables.h"

#include <errno.h>
#include <string.h>

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

static void wipe_values(struct variable *variable)
{
    secret_wipe_str(variable->text);
    secret_wipe_str(variable->expanded);
    free(variable->text);
    free(variable->expanded);
}

static void free_variable(struct variable *variable)
{
    wipe_values(variable);
    free(variable->key);
}

void variables_done(struct variables *list)
{
    for (size_t i = 0; i < list->n; i++)
        free_variable(&list->items[i]);
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
    *grown = (struct variable) { .key = mem_strdup(key), .text = mem_strdup(value) };
    if (!grown->key || !grown->text) {
        free(grown->key);
        free(grown->text);
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

int variables_add_file(struct variables *list, const char *key, const char *value, bool masked)
{
    struct variable *variable = NULL;
    int r = append(list, key, value, &variable);

    if (r == 0) {
        variable->file = variable->raw = true;
        variable->masked = masked;
    }
    return r;
}

int variables_fill(struct variables *list, const char *key, const char *value)
{
    struct variable *variable = NULL;
    char *text;

    for (size_t i = 0; i < list->n && !variable; i++)
        if (str_eq(list->items[i].key, key))
            variable = &list->items[i];
    if (!variable)
        return variables_add(list, key, value);
    text = mem_strdup(value);
    if (!text)
        return -ENOMEM;
    wipe_values(variable);
    *variable = (struct variable) { .key = variable->key, .text = text };
    return 0;
}

int variables_settle(struct variables *list, const char *key, const char *value)
{
    bool seen = false;
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct variable *variable = &list->items[i];
        bool same = str_eq(variable->key, key);

        if (same && seen)
            free_variable(variable);
        else
            list->items[kept++] = *variable;
        seen = seen || same;
    }
    list->n = kept;
    return variables_fill(list, key, value);
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

    if (len == 1 && *key == '$')
        buf_add_char(out, '$');
    else if (variable && variable->file)
        buf_addf(out, "%s/%s", tmp_dir, variable->key);
    else if (variable)
        buf_add_str(out, variable->text);
}

/* $NAME, ${NAME}; $$ is a dollar; special parameters and unknown names give nothing; of a brace
 * that nobody closes, only itself and its dollar go (job-execution.md 10.1). */
void variables_expand_text(const struct variables *list, const char *text, const char *tmp_dir,
                           struct buf *out)
{
    while (*text) {
        size_t plain = strcspn(text, "$"), len = 0;

        buf_add(out, text, plain);
        text += plain;
        if (!*text)
            return;
        text++;
        if (*text == '{') {
            const char *end = strchr(text, '}');

            text++;
            if (!end)
                continue;
            add_reference(out, list, text, (size_t) (end - text), tmp_dir);
            text = end + 1;
            continue;
        }
        if (*text && strchr("$*#@!?-0123456789", *text))
            len = 1;
        else
            while (name_part(text[len]))
                len++;
        if (len == 0)
            buf_add_char(out, '$');
        add_reference(out, list, text, len, tmp_dir);
        text += len;
    }
}

static int expand_one(const struct variables *list, struct variable *variable, const char *tmp_dir,
                      struct error *err)
{
    struct buf out = { .max = VALUE_MAX };
    char *expanded;
    int r;

    variables_expand_text(list, variable->text, tmp_dir, &out);
    r = buf_error(&out);
    expanded = buf_take(&out);
    if (r == -EFBIG)
        return error_set(err, r, "variable %s: is longer than %zu bytes once it is expanded",
                         variable->key, VALUE_MAX);
    if (!expanded)
        return error_set(err, -ENOMEM, "variables: out of memory");
    if (list->masks_set && variable->masked && !str_eq(expanded, variable_value(variable))) {
        free(expanded);
        return error_set(err, -EINVAL,
                         "variable %s: is masked, so it can't refer to a directory of the instance",
                         variable->key);
    }
    secret_wipe_str(variable->expanded);
    free(variable->expanded);
    variable->expanded = expanded;
    return 0;
}

int variables_expand(struct variables *list, const char *tmp_dir, struct error *err)
{
    size_t total = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct variable *variable = &list->items[i];
        int r = 0;

        if (!variable->raw && strchr(variable->text, '$'))
            r = expand_one(list, variable, tmp_dir, err);
        if (r < 0)
            return r;
        total += strlen(variable_value(variable));
        if (total > TOTAL_MAX)
            return error_set(err, -EFBIG,
                             "variable %s: all together are longer than %zu bytes once they are "
                             "expanded",
                             variable->key, TOTAL_MAX);
    }
    return 0;
}

const char *variables_get(const struct variables *list, const char *key)
{
    const struct variable *variable = find(list, key, strlen(key));

    return variable ? variable_value(variable) : NULL;
}

int variable_parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; text && i < ARRAY_LEN(yes); i++) {
        if (!str_eq(text, yes[i]) && !str_eq(text, no[i]))
            continue;
        *ret = str_eq(text, yes[i]);
        return 0;
    }
    return -EINVAL;
}

bool variables_flag(const struct variables *list, const char *key, bool fallback)
{
    bool value = fallback;

    (void) variable_parse_bool(variables_get(list, key), &value);
    return value;
}
