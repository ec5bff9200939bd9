/* core/exec/ci_matrix.c - counts ("job 1/3") and products of values ("job: [a, b]"), in GitLab's
 * order: the first variable changes slowest. */
#include "core/exec/ci_matrix.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define JOBS_MAX 200 /* as GitLab's */

void ci_instances_done(struct ci_instances *instances)
{
    for (size_t i = 0; i < instances->count; i++) {
        free(instances->items[i].name);
        ci_variables_done(&instances->items[i].variables);
    }
    free(instances->items);
    *instances = (struct ci_instances) { 0 };
}

/* Takes the name, which may be NULL for lack of memory. */
static struct ci_instance *add(struct ci_reading *reading, struct ci_instances *ret, char *name)
{
    struct ci_instance *items = mem_resize(ret->items, ret->count + 1, sizeof(*items));

    if (items)
        ret->items = items;
    if (!items || !name) {
        reading->doc.out_of_memory = true;
        free(name);
        return NULL;
    }
    items[ret->count] = (struct ci_instance) { .name = name };
    return &items[ret->count++];
}

/* A list of values, or one value. */
static size_t value_count(const struct yaml_value *values)
{
    return values->kind == YAML_KIND_SEQUENCE ? values->n_items : 1;
}

static const struct yaml_value *value_at(const struct yaml_value *values, size_t i)
{
    return values->kind == YAML_KIND_SEQUENCE ? values->items[i] : values;
}

/* How many jobs an entry of the matrix comes to; 0 after a finding. */
static size_t check_entry(struct ci_reading *reading, const char *name,
                          const struct yaml_value *entry)
{
    size_t jobs = 1;

    if (entry->kind != YAML_KIND_MAPPING || entry->map.count == 0) {
        ci_wrong_kind(reading, name, "matrix", entry, "a list of mappings of variables to values");
        return 0;
    }
    for (size_t i = 0; i < entry->map.count && jobs <= JOBS_MAX; i++) {
        const struct yaml_value *values = entry->map.items[i].value;

        jobs *= value_count(values);
        for (size_t k = 0; k < value_count(values) && yaml_visit(&reading->doc, values); k++)
            if (!yaml_scalar(value_at(values, k))) {
                yaml_finding(&reading->doc, CONFIG_ERROR, value_at(values, k),
                             "job '%s': 'matrix' takes strings and numbers for '%s', not %s", name,
                             entry->map.items[i].key, yaml_kind_name(value_at(values, k)->kind));
                return 0;
            }
    }
    if (jobs == 0)
        yaml_finding(&reading->doc, CONFIG_ERROR, entry,
                     "job '%s': a variable of 'matrix' has no values", name);
    return jobs;
}

/* The n-th combination of the entry's values. */
static void add_combination(struct ci_reading *reading, const char *name,
                            const struct yaml_value *entry, size_t n, size_t jobs,
                            struct ci_instances *ret)
{
    struct ci_variables variables = { 0 };
    autobuf struct buf full = BUF_INIT;
    struct ci_instance *instance;

    buf_addf(&full, "%s: [", name);
    for (size_t i = 0; i < entry->map.count; i++) {
        const struct yaml_pair *pair = &entry->map.items[i];
        const char *text;

        jobs /= value_count(pair->value);
        text = yaml_scalar(value_at(pair->value, n / jobs));
        n %= jobs;
        buf_addf(&full, "%s%s", i > 0 ? ", " : "", text);
        if (ci_variables_add(&variables, pair->key, text, false) < 0)
            reading->doc.out_of_memory = true;
    }
    buf_add_char(&full, ']');
    instance = add(reading, ret, buf_take(&full));
    if (instance)
        instance->variables = variables;
    else
        ci_variables_done(&variables);
}

static void too_many(struct ci_reading *reading, const char *name, const struct yaml_value *place)
{
    yaml_finding(&reading->doc, CONFIG_ERROR, place,
                 "job '%s': 'parallel' is a number from 1 to %d or a 'matrix' of at most so many "
                 "jobs",
                 name, JOBS_MAX);
}

static void read_matrix(struct ci_reading *reading, const char *name,
                        const struct yaml_value *matrix, struct ci_instances *ret)
{
    if (matrix->kind != YAML_KIND_SEQUENCE || matrix->n_items == 0) {
        ci_wrong_kind(reading, name, "matrix", matrix, "a list of mappings of variables to values");
        return;
    }
    for (size_t i = 0; i < matrix->n_items; i++) {
        const struct yaml_value *entry = matrix->items[i];
        size_t jobs = check_entry(reading, name, entry);

        if (jobs == 0 || ret->count + jobs > JOBS_MAX) {
            ci_instances_done(ret);
            if (jobs != 0)
                too_many(reading, name, matrix);
            return;
        }
        for (size_t n = 0; n < jobs; n++)
            add_combination(reading, name, entry, n, jobs, ret);
    }
}

void ci_matrix_read(struct ci_reading *reading, const char *name, const struct yaml_value *parallel,
                    struct ci_instances *ret)
{
    const struct yaml_value *matrix = yaml_get(parallel, "matrix");
    int64_t count = 0;

    *ret = (struct ci_instances) { 0 };
    if (!parallel) {
        (void) add(reading, ret, mem_strdup(name));
        return;
    }
    if (matrix && parallel->map.count == 1)
        read_matrix(reading, name, matrix, ret);
    else if (parallel->kind != YAML_KIND_NUMBER ||
             parse_i64(parallel->text, 1, JOBS_MAX, &count) < 0)
        too_many(reading, name, parallel);
    for (int64_t i = 0; i < count; i++)
        (void) add(reading, ret, mem_printf("%s %d/%d", name, (int) i + 1, (int) count));
    for (size_t i = 0; i < ret->count; i++) {
        ret->items[i].index = (unsigned) i + 1;
        ret->items[i].total = (unsigned) ret->count;
    }
}
