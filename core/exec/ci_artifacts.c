/* core/exec/ci_artifacts.c - one entry comes of paths and `untracked`, and one of each report, as GitLab
 * makes them: the report's name and format are those of its kind, and it is uploaded however the job
 * ended. */
#include "core/exec/ci_artifacts.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_duration.h"

/* NULL when memory is short, which the document remembers. */
static struct ci_artifact *add_entry(struct ci_reading *reading, struct ci_artifacts *ret,
                                     const struct artifact_type *type)
{
    struct ci_artifact *items = mem_resize(ret->items, ret->count + 1, sizeof(*items));

    if (!items) {
        reading->doc.out_of_memory = true;
        return NULL;
    }
    ret->items = items;
    items[ret->count] = (struct ci_artifact) { .type = type, .when = "always" };
    return &items[ret->count++];
}

static void copy(struct ci_reading *reading, const char *text, char **ret)
{
    *ret = mem_strdup(text);
    reading->doc.out_of_memory |= text && !*ret;
}

static void add_report(struct ci_reading *reading, const char *name,
                       const struct yaml_pair *written, const struct artifact_type *type,
                       const struct yaml_value *paths, struct ci_artifacts *ret)
{
    struct ci_artifact *entry = add_entry(reading, ret, type);

    if (!entry)
        return;
    copy(reading, type->file, &entry->name);
    ci_read_lines(reading, name, written->key, paths, &entry->paths);
}

/* coverage_report: {coverage_format: …, path: …} */
static void add_coverage(struct ci_reading *reading, const char *name, const struct yaml_pair *pair,
                         struct ci_artifacts *ret)
{
    static const char *const formats[] = { "cobertura", "jacoco" };
    const struct yaml_value *format = yaml_get(pair->value, "coverage_format");
    const struct yaml_value *path = yaml_get(pair->value, "path");

    if (!format || !path || pair->value->map.count != 2) {
        ci_wrong_kind(reading, name, pair->key, pair->value,
                      "a mapping with 'coverage_format' and 'path'");
        return;
    }
    add_report(reading, name, pair,
               artifact_type_find(ci_read_word(reading, name, "coverage_format", format, formats,
                                               ARRAY_LEN(formats), "cobertura or jacoco")),
               path, ret);
}

static void read_reports(struct ci_reading *reading, const char *name,
                         const struct yaml_value *value, struct ci_artifacts *ret)
{
    autobuf struct buf subject = BUF_INIT;

    if (value->kind != YAML_KIND_MAPPING)
        ci_wrong_kind(reading, name, "reports", value, "a mapping of reports, such as 'dotenv'");
    for (size_t i = 0; i < value->map.count && yaml_visit(&reading->doc, value); i++) {
        const struct yaml_pair *pair = &value->map.items[i];
        const struct artifact_type *type = artifact_type_find(pair->key);
        const char *meant;

        if (pair->value->kind == YAML_KIND_NULL)
            continue;
        if (str_eq(pair->key, "coverage_report")) {
            add_coverage(reading, name, pair, ret);
        } else if (type && type->report) {
            add_report(reading, name, pair, type, pair->value, ret);
        } else {
            meant = artifact_type_nearest(pair->key);
            buf_clear(&subject);
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->place, "%s has no report '%s'%s%s%s",
                         ci_subject(&subject, name, "reports"), pair->key,
                         meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
        }
    }
}

/* "never", or how long; here it is the end of the run for all of them. */
static const char *read_expiry(struct ci_reading *reading, const char *name,
                               const struct yaml_value *value)
{
    const char *text = value ? yaml_scalar(value) : NULL;
    int64_t seconds;

    if (value && (!text || (!str_eq(text, "never") && ci_duration_parse(text, &seconds) < 0)))
        ci_wrong_kind(reading, name, "expire_in", value, "a duration such as '1 week', or never");
    return text;
}

static void read_archive(struct ci_reading *reading, const char *name,
                         const struct yaml_value *value, struct ci_artifact *entry)
{
    const struct yaml_value *paths = yaml_get(value, "paths"), *named = yaml_get(value, "name");
    const struct yaml_value *exclude = yaml_get(value, "exclude"), *when = yaml_get(value, "when");
    const struct yaml_value *untracked = yaml_get(value, "untracked");

    entry->when = when ? ci_read_when(reading, name, when) : "on_success";
    if (named)
        ci_read_text(reading, name, "name", named, &entry->name);
    if (paths)
        ci_read_lines(reading, name, "paths", paths, &entry->paths);
    if (exclude)
        ci_read_lines(reading, name, "exclude", exclude, &entry->exclude);
    entry->untracked = untracked && ci_read_truth(reading, name, "untracked", untracked);
}

void ci_artifacts_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       struct ci_artifacts *ret)
{
    const struct yaml_value *reports = yaml_get(value, "reports");
    struct ci_artifact *archive;
    const char *expiry;

    if (value->kind != YAML_KIND_MAPPING) {
        ci_wrong_kind(reading, name, "artifacts", value, "a mapping with 'paths' or 'reports'");
        return;
    }
    for (size_t i = 0; i < value->map.count && yaml_visit(&reading->doc, value); i++)
        (void) ci_keyword_known(reading, CI_PLACE_ARTIFACTS, name, &value->map.items[i]);
    archive = add_entry(reading, ret, &artifact_archive);
    if (!archive)
        return;
    read_archive(reading, name, value, archive);
    /* An exclude alone selects nothing. */
    if (archive->paths.count == 0 && !archive->untracked) {
        ci_artifact_done(archive);
        ret->count--;
    }
    if (reports)
        read_reports(reading, name, reports, ret);
    expiry = read_expiry(reading, name, yaml_get(value, "expire_in"));
    for (size_t i = 0; i < ret->count; i++)
        copy(reading, expiry, &ret->items[i].expire_in);
}
