/* core/exec/ci_reading.c - the kinds of values that many keywords take (ci_reading.h). */
#include "core/exec/ci_reading.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define NESTING_MAX 10 /* as GitLab's */

void ci_append(struct ci_reading *reading, struct ci_lines *lines, const char *text)
{
    if (ci_lines_add(lines, text) < 0)
        reading->doc.out_of_memory = true;
}

void ci_copy_variables(struct ci_reading *reading, struct ci_variables *to,
                       const struct ci_variables *from)
{
    if (ci_variables_copy(to, from) < 0)
        reading->doc.out_of_memory = true;
}

const char *ci_subject(struct buf *out, const char *job, const char *keyword)
{
    if (job)
        buf_addf(out, "job '%s': ", job);
    buf_addf(out, "'%s'", keyword);
    return buf_str(out);
}

/* A word or a number is shown itself: it may be of the right kind, and no value of the keyword. */
static void show_value(struct buf *out, const struct yaml_value *value)
{
    if (value->kind == YAML_KIND_STRING)
        buf_addf(out, "the string '%.80s'", value->text);
    else if (value->kind == YAML_KIND_NUMBER)
        buf_addf(out, "the number %.80s", value->text);
    else
        buf_add_str(out, yaml_kind_name(value->kind));
}

void ci_wrong_kind(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, const char *wanted)
{
    autobuf struct buf name = BUF_INIT, shown = BUF_INIT;

    ci_subject(&name, job, keyword);
    show_value(&shown, value);
    reading->doc.out_of_memory |= buf_error(&name) != 0 || buf_error(&shown) != 0;
    if (value->kind == YAML_KIND_TAGGED)
        yaml_finding(&reading->doc, CONFIG_ERROR, value,
                     "%s has the tag %s, which is not supported", buf_str(&name), value->tag);
    else
        yaml_finding(&reading->doc, CONFIG_ERROR, value, "%s must be %s, not %s", buf_str(&name),
                     wanted, buf_str(&shown));
}

/* `services: []` asks for nothing. */
static bool is_empty(const struct yaml_value *value)
{
    return value->kind == YAML_KIND_NULL ||
           (value->kind == YAML_KIND_SEQUENCE && value->n_items == 0);
}

/* What is not read although it is a keyword. */
static void pass_over(struct ci_reading *reading, const struct ci_keyword *keyword,
                      const char *name, const struct yaml_pair *pair)
{
    bool harmless = keyword->use == CI_KEYWORD_IGNORED;

    if (harmless && is_empty(pair->value))
        return;
    yaml_finding(&reading->doc, harmless ? CONFIG_WARNING : CONFIG_ERROR, pair->place,
                 "%s is not supported%s: %s", name, harmless ? ", ignoring" : "", keyword->why);
}

bool ci_keyword_known(struct ci_reading *reading, enum ci_place place, const char *job,
                      const struct yaml_pair *pair)
{
    const struct ci_keyword *keyword = ci_keyword_find(place, pair->key);
    const char *meant;
    autobuf struct buf name = BUF_INIT;

    if (keyword && keyword->use == CI_KEYWORD_KNOWN)
        return true;
    ci_subject(&name, job, pair->key);
    reading->doc.out_of_memory |= buf_error(&name) != 0;
    if (keyword) {
        pass_over(reading, keyword, buf_str(&name), pair);
        return false;
    }
    meant = ci_keyword_nearest(place, pair->key);
    yaml_finding(&reading->doc, CONFIG_ERROR, pair->place, "%s is no keyword%s%s%s", buf_str(&name),
                 meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    return false;
}

static void read_lines(struct ci_reading *reading, const char *job, const char *keyword,
                       const struct yaml_value *value, int depth, struct ci_lines *ret)
{
    enum yaml_kind kind = value->kind;

    if (!yaml_visit(&reading->doc, value))
        return;
    if (kind == YAML_KIND_STRING) {
        ci_append(reading, ret, value->text);
    } else if (kind == YAML_KIND_SEQUENCE && depth < NESTING_MAX) {
        for (size_t i = 0; i < value->n_items && !reading->doc.exhausted; i++)
            read_lines(reading, job, keyword, value->items[i], depth + 1, ret);
    } else if (kind == YAML_KIND_SEQUENCE) {
        yaml_finding(&reading->doc, CONFIG_ERROR, value,
                     "lists of '%s' are nested deeper than %d levels", keyword, NESTING_MAX);
    } else {
        ci_wrong_kind(reading, job, keyword, value,
                      depth == 0                  ? "a string or a list of strings"
                      : kind == YAML_KIND_MAPPING ? "a list of strings (quote a line that has ': ')"
                                                  : "a list of strings (quote the line)");
    }
}

void ci_read_lines(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, struct ci_lines *ret)
{
    read_lines(reading, job, keyword, value, 0, ret);
}

static void add_code(struct ci_reading *reading, const char *job, const char *keyword,
                     const struct yaml_value *value, struct ci_codes *ret)
{
    int *codes = mem_resize(ret->items, ret->count + 1, sizeof(*codes));
    int64_t code = 0;

    if (codes)
        ret->items = codes;
    if (!codes)
        reading->doc.out_of_memory = true;
    else if (value->kind != YAML_KIND_NUMBER || parse_i64(value->text, 0, INT32_MAX, &code) < 0)
        ci_wrong_kind(reading, job, keyword, value, "an exit code or a list of them");
    else
        codes[ret->count++] = (int) code;
}

void ci_read_codes(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, struct ci_codes *ret)
{
    if (value->kind != YAML_KIND_SEQUENCE) {
        add_code(reading, job, keyword, value, ret);
        return;
    }
    for (size_t i = 0; i < value->n_items && yaml_visit(&reading->doc, value); i++)
        add_code(reading, job, keyword, value->items[i], ret);
}

bool ci_read_truth(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value)
{
    if (value->kind != YAML_KIND_BOOL)
        ci_wrong_kind(reading, job, keyword, value, "true or false");
    return yaml_truth(value);
}

void ci_read_text(struct ci_reading *reading, const char *job, const char *keyword,
                  const struct yaml_value *value, char **ret)
{
    if (!yaml_scalar(value)) {
        ci_wrong_kind(reading, job, keyword, value, "a string");
        return;
    }
    free(*ret);
    *ret = mem_strdup(yaml_scalar(value));
    reading->doc.out_of_memory |= !*ret;
}

const char *ci_read_word(struct ci_reading *reading, const char *job, const char *keyword,
                         const struct yaml_value *value, const char *const *words, size_t n_words,
                         const char *wanted)
{
    for (size_t i = 0; i < n_words; i++)
        if (str_eq(yaml_scalar(value), words[i]))
            return words[i];
    ci_wrong_kind(reading, job, keyword, value, wanted);
    return words[0];
}

const char *ci_read_when(struct ci_reading *reading, const char *job,
                         const struct yaml_value *value)
{
    static const char *const words[] = { "on_success", "on_failure", "always" };

    return ci_read_word(reading, job, "when", value, words, ARRAY_LEN(words),
                        "on_success, on_failure or always");
}
