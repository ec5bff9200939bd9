/* core/job/inputs.c - job inputs: ${{ job.inputs.NAME }} in scripts, image, services, artifacts and cache
 * gives the input's value, before anything else reads them (coordinator-protocol.md 2.11). Called by
 * settings.c.
 *
 * Only a plain reference is an expression: whatever else stands in the braces is refused with its place,
 * so that no job runs with half of its commands replaced. Without inputs the text is left as it is. */
#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/job.h"

#define OPEN "${{"
#define CLOSE "}}"
#define REFERENCE "job.inputs."
#define BLANKS " \t\r\n"
#define SHOWN_MAX 80

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

static json_t *value_of(json_t *input)
{
    json_t *value = NULL;

    (void) json_opt_object(input, "value", &value, NULL);
    return value;
}

/* A string as it is, everything else as JSON writes it. */
static const char *text_of_content(json_t *content)
{
    return json_object_is_type(content, json_type_string)
               ? json_object_get_string(content)
               : json_object_to_json_string_ext(content, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE);
}

static bool type_fits(const char *type, json_t *content)
{
    switch (json_object_get_type(content)) {
    case json_type_string:
        return str_eq(type, "string") && strlen(json_object_get_string(content)) ==
                                             (size_t) json_object_get_string_len(content);
    case json_type_int:
    case json_type_double:
        return str_eq(type, "number");
    case json_type_boolean:
        return str_eq(type, "boolean");
    case json_type_array:
        return str_eq(type, "array");
    case json_type_object:
        return str_eq(type, "struct");
    default:
        return false;
    }
}

static int check_input(json_t *input, struct error *err)
{
    const char *key = "", *type = "";
    json_t *value = NULL, *content = NULL;
    int r = json_need_str(input, "key", &key, err);

    if (r < 0)
        return error_wrap(err, r, "inputs");
    value = value_of(input);
    if (!value || !json_object_object_get_ex(value, "content", &content) || !content)
        return error_set(err, -EINVAL, "inputs: %s has no value", key);
    r = json_opt_str(value, "type", &type, err);
    if (r == 0 && !type_fits(type, content))
        r = error_set(err, -EINVAL, "its value does not fit its type '%.32s'", type);
    return r < 0 ? error_wrap(err, r, "inputs: %s", key) : 0;
}

static json_t *inputs_of(const struct job *job)
{
    json_t *inputs = NULL;

    (void) json_opt_array(job->payload, "inputs", &inputs, NULL);
    return inputs;
}

static size_t count(json_t *inputs)
{
    return inputs ? json_object_array_length(inputs) : 0;
}

static const char *find(json_t *inputs, const char *name, size_t len)
{
    for (size_t i = count(inputs); i > 0; i--) {
        json_t *input = json_object_array_get_idx(inputs, i - 1), *content = NULL;
        const char *key = text_of(input, "key", "");

        if (strlen(key) == len && memcmp(key, name, len) == 0 &&
            json_object_object_get_ex(value_of(input), "content", &content))
            return text_of_content(content);
    }
    return NULL;
}

static int refuse(struct job *job, const char *kind, const char *what, const char *expression,
                  size_t len, struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    job->inputs_error = kind;
    str_display(&shown, expression, len, SHOWN_MAX);
    return error_set(err, -EPERM, "%s: " OPEN "%s" CLOSE, what, buf_str(&shown));
}

/* What stands between the braces. */
static int add_value(struct job *job, const char *expression, size_t len, struct buf *out,
                     struct error *err)
{
    static const char only[] = "only job.inputs.NAME can be used in a job";
    const char *name = expression + strspn(expression, BLANKS), *value;
    size_t name_len;

    if (!str_starts(name, REFERENCE))
        return refuse(job, "parse", only, expression, len, err);
    name += strlen(REFERENCE);
    name_len = strspn(name, name_chars);
    if (name_len == 0 || name + name_len + strspn(name + name_len, BLANKS) != expression + len)
        return refuse(job, "parse", only, expression, len, err);
    value = find(inputs_of(job), name, name_len);
    if (!value)
        return refuse(job, "evaluation", "the job has no such input", expression, len, err);
    buf_add_str(out, value);
    return 0;
}

/* Each expression once: what a value brings along is text. */
static int interpolate(struct job *job, const char *text, struct buf *out, struct error *err)
{
    const char *open;
    int r = 0;

    while (r == 0 && (open = strstr(text, OPEN)) != NULL) {
        const char *expression = open + strlen(OPEN), *close = strstr(expression, CLOSE);

        if (!close) {
            job->inputs_error = "parse";
            return error_set(err, -EPERM, OPEN " is not closed by " CLOSE);
        }
        buf_add(out, text, (size_t) (open - text));
        r = add_value(job, expression, (size_t) (close - expression), out, err);
        text = close + strlen(CLOSE);
    }
    buf_add_str(out, text);
    return r;
}

static int replace_in(struct job *job, json_t *node, struct error *err);

static int replace_string(struct job *job, json_t *node, struct error *err)
{
    autobuf struct buf out = BUF_INIT;
    int r;

    if (!strstr(json_object_get_string(node), OPEN))
        return 0;
    r = interpolate(job, json_object_get_string(node), &out, err);
    if (r < 0)
        return r;
    if (buf_error(&out) < 0 || !json_object_set_string(node, buf_str(&out)))
        return error_set(err, -ENOMEM, "job: out of memory");
    job->inputs_used++;
    return 0;
}

static int replace_in_array(struct job *job, json_t *node, struct error *err)
{
    for (size_t i = 0; i < json_object_array_length(node); i++) {
        int r = replace_in(job, json_object_array_get_idx(node, i), err);

        if (r < 0)
            return error_wrap(err, r, "[%zu]", i);
    }
    return 0;
}

static int replace_in_object(struct job *job, json_t *node, struct error *err)
{
    json_object_object_foreach(node, key, value)
    {
        int r = replace_in(job, value, err);

        if (r < 0)
            return error_wrap(err, r, "%s", key);
    }
    return 0;
}

/* The payload's depth was limited when it was read. */
static int replace_in(struct job *job, json_t *node, struct error *err)
{
    switch (json_object_get_type(node)) {
    case json_type_string:
        return replace_string(job, node, err);
    case json_type_array:
        return replace_in_array(job, node, err);
    case json_type_object:
        return replace_in_object(job, node, err);
    default:
        return 0;
    }
}

int inputs_replace(struct job *job, struct error *err)
{
    static const char *const parts[] = { "steps", "image", "services", "artifacts", "cache" };
    json_t *inputs = inputs_of(job), *part = NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count(inputs); i++)
        r = check_input(json_object_array_get_idx(inputs, i), err);
    if (count(inputs) == 0 || !job->flags[FF_ENABLE_JOB_INPUTS_INTERPOLATION])
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++) {
        if (!json_object_object_get_ex(job->payload, parts[i], &part))
            continue;
        r = replace_in(job, part, err);
        if (r < 0)
            (void) error_wrap(err, r, "%s", parts[i]);
    }
    return r;
}

const char *inputs_secret(const struct job *job, size_t i)
{
    json_t *inputs = inputs_of(job), *value, *content = NULL;
    bool sensitive = false;

    if (i >= count(inputs))
        return NULL;
    value = value_of(json_object_array_get_idx(inputs, i));
    (void) json_opt_bool(value, "sensitive", &sensitive, NULL);
    return sensitive && json_object_object_get_ex(value, "content", &content)
               ? text_of_content(content)
               : "";
}
