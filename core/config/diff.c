/* core/config/diff.c - walks two configurations side by side, by the tables that read them (schema.h), so
 * that no setting can be forgotten here. See the header. */
#include "core/config/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/settings.h"

#define SHOWN_MAX 80

struct walk {
    struct config_changes *changes;
    const char *runner;
    int r;
};

static const void *member(const void *record, size_t offset)
{
    return (const char *) record + offset;
}

/* Takes the values. */
static void add(struct walk *walk, enum config_change_kind kind, const char *key, char *before,
                char *after)
{
    struct config_changes *changes = walk->changes;
    struct config_change *grown =
        mem_resize(changes->items, changes->count + 1, sizeof(*changes->items));
    struct config_change *item;

    if (grown) {
        changes->items = grown;
        item = &grown[changes->count++];
        *item = (struct config_change) { .kind = kind,
                                         .runner = walk->runner ? mem_strdup(walk->runner) : NULL,
                                         .key = key ? mem_strdup(key) : NULL,
                                         .before = before,
                                         .after = after };
    } else {
        free(before);
        free(after);
    }
    if (!grown || (walk->runner && !item->runner) || (key && !item->key))
        walk->r = -ENOMEM;
}

static char *show_text(const char *text)
{
    autobuf struct buf out = BUF_INIT;

    if (!text)
        return mem_strdup("none");
    buf_add_str(&out, "\"");
    str_display(&out, text, strlen(text), SHOWN_MAX);
    buf_add_str(&out, "\"");
    return mem_strdup(buf_str(&out));
}

static char *show_texts(char *const *texts, size_t n)
{
    autobuf struct buf out = BUF_INIT;

    buf_add_str(&out, "[");
    for (size_t i = 0; i < n; i++) {
        autofree char *text = show_text(texts[i]);

        buf_addf(&out, "%s%s", i > 0 ? ", " : "", text ? text : "");
    }
    buf_add_str(&out, "]");
    return mem_strdup(buf_str(&out));
}

static char *show_reals(const double *reals, size_t n)
{
    autobuf struct buf out = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        buf_addf(&out, "%s%g", i > 0 ? ", " : "[", reals[i]);
    buf_add_str(&out, n > 0 ? "]" : "[]");
    return mem_strdup(buf_str(&out));
}

static char *show_duration(int64_t ms)
{
    autobuf struct buf out = BUF_INIT;

    format_duration(&out, ms);
    return mem_strdup(buf_str(&out));
}

static char *show_tristate(int value)
{
    return mem_strdup(value < 0 ? "unset" : value ? "true" : "false");
}

static char *show_time(int64_t wall_ms)
{
    autobuf struct buf shown = BUF_INIT;

    if (wall_ms == 0)
        return mem_strdup("none");
    format_utc(&shown, wall_ms);
    return buf_take(&shown);
}

/* What stands in one place of the struct; sections and tables have none. */
static char *show(const struct setting *setting, const void *record)
{
    const void *at = member(record, setting->offset);

    switch (setting->kind) {
    case SETTING_TEXT:
        return show_text(*(char *const *) at);
    case SETTING_TEXTS:
        return show_texts(*(char **const *) at, *(const size_t *) member(record, setting->count));
    case SETTING_REALS:
        return show_reals(*(double *const *) at, *(const size_t *) member(record, setting->count));
    case SETTING_INTEGER:
        return mem_printf("%" PRId64, *(const int64_t *) at);
    case SETTING_SECONDS:
    case SETTING_DURATION:
        return show_duration(*(const int64_t *) at);
    case SETTING_TIME:
        return show_time(*(const int64_t *) at);
    case SETTING_BOOL:
        return show_tristate(*(const bool *) at);
    case SETTING_TRISTATE:
        return show_tristate(*(const int *) at);
    case SETTING_REAL:
        return mem_printf("%g", *(const double *) at);
    default:
        return NULL;
    }
}

static bool same_texts(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
    bool same = n_a == n_b;

    for (size_t i = 0; same && i < n_a; i++)
        same = str_eq(a[i], b[i]);
    return same;
}

static bool same_reals(const double *a, size_t n_a, const double *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    return secret_len(a) == secret_len(b) &&
           mem_equal_secret(secret_reveal(a), secret_reveal(b), secret_len(a));
}

static bool same_value(const struct setting *setting, const void *a, const void *b)
{
    const void *at_a = member(a, setting->offset), *at_b = member(b, setting->offset);

    switch (setting->kind) {
    case SETTING_TEXT:
        return str_eq(*(char *const *) at_a, *(char *const *) at_b) ||
               (!*(char *const *) at_a && !*(char *const *) at_b);
    case SETTING_TEXTS:
        return same_texts(*(char **const *) at_a, *(const size_t *) member(a, setting->count),
                          *(char **const *) at_b, *(const size_t *) member(b, setting->count));
    case SETTING_REALS:
        return same_reals(*(double *const *) at_a, *(const size_t *) member(a, setting->count),
                          *(double *const *) at_b, *(const size_t *) member(b, setting->count));
    case SETTING_SECRET:
        return same_secret(*(struct secret *const *) at_a, *(struct secret *const *) at_b);
    case SETTING_INTEGER:
    case SETTING_SECONDS:
    case SETTING_DURATION:
    case SETTING_TIME:
        return *(const int64_t *) at_a == *(const int64_t *) at_b;
    case SETTING_BOOL:
        return *(const bool *) at_a == *(const bool *) at_b;
    case SETTING_TRISTATE:
        return *(const int *) at_a == *(const int *) at_b;
    case SETTING_REAL:
        return memcmp(at_a, at_b, sizeof(double)) == 0;
    default:
        return true;
    }
}

/* A table that is ours to read, too, is told by its rows. */
static bool told_by_rows(const struct section *section, const char *table, const char *name)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];

        if (setting->kind != SETTING_SECTION || !str_eq(setting->name, table))
            continue;
        for (size_t k = 0; k < setting->section->n_settings; k++)
            if (str_eq(setting->section->settings[k].name, name))
                return !(setting->section->settings[k].flags & SETTING_NOWHERE);
    }
    return false;
}

/* Members of `a` that `b` has otherwise; with `only`, those that it has not. The plugin's own settings
 * may be secrets, whatever they are called. */
static void diff_members(struct walk *walk, const struct section *section,
                         const struct setting *setting, const char *key, json_t *a, json_t *b,
                         bool only)
{
    json_object_object_foreach(a, name, value)
    {
        json_t *other = NULL;
        bool there = json_object_object_get_ex(b, name, &other) != 0;
        autofree char *path = NULL;

        if (told_by_rows(section, setting->name, name) ||
            (only ? there : there && json_object_equal(value, other) != 0))
            continue;
        path = mem_printf("%s.%s", key, name);
        if (path)
            add(walk, CHANGE_SETTING, path, NULL, NULL);
        else
            walk->r = -ENOMEM;
    }
}

static void diff_section(struct walk *walk, const struct section *section, const char *prefix,
                         const void *a, const void *b);

static void diff_sections(struct walk *walk, const struct setting *setting, const char *key,
                          const void *a, const void *b)
{
    const struct section *inner = setting->section;
    const char *records_a = *(void *const *) member(a, setting->offset);
    const char *records_b = *(void *const *) member(b, setting->offset);
    size_t n_a = *(const size_t *) member(a, setting->count);
    size_t n_b = *(const size_t *) member(b, setting->count);

    for (size_t i = 0; i < MAX(n_a, n_b); i++) {
        autofree char *path = mem_printf("%s[%zu]", key, i);

        if (!path)
            walk->r = -ENOMEM;
        else if (i < n_a && i < n_b)
            diff_section(walk, inner, path, records_a + i * inner->size,
                         records_b + i * inner->size);
        else
            add(walk, CHANGE_SETTING, path, mem_strdup(i < n_a ? "a table" : "none"),
                mem_strdup(i < n_b ? "a table" : "none"));
    }
}

static void diff_setting(struct walk *walk, const struct section *section,
                         const struct setting *setting, const char *key, const void *a,
                         const void *b)
{
    const void *at_a = member(a, setting->offset), *at_b = member(b, setting->offset);
    bool hidden = (setting->flags & SETTING_PRIVATE) != 0;

    if (setting->kind == SETTING_SECTION) {
        diff_section(walk, setting->section, key, at_a, at_b);
    } else if (setting->kind == SETTING_SECTIONS) {
        diff_sections(walk, setting, key, a, b);
    } else if (setting->kind == SETTING_JSON) {
        diff_members(walk, section, setting, key, *(json_t *const *) at_a, *(json_t *const *) at_b,
                     false);
        diff_members(walk, section, setting, key, *(json_t *const *) at_b, *(json_t *const *) at_a,
                     true);
    } else if (!same_value(setting, a, b)) {
        add(walk, CHANGE_SETTING, key, hidden ? NULL : show(setting, a),
            hidden ? NULL : show(setting, b));
    }
}

static void diff_section(struct walk *walk, const struct section *section, const char *prefix,
                         const void *a, const void *b)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];
        autofree char *key =
            *prefix ? mem_printf("%s.%s", prefix, setting->name) : mem_strdup(setting->name);

        if ((setting->flags & SETTING_NOWHERE) || setting->section == &runner_section)
            continue;
        if (key)
            diff_setting(walk, section, setting, key, a, b);
        else
            walk->r = -ENOMEM;
    }
}

/* What its own check has stored. */
static void diff_by_name(struct walk *walk, const char *key, const char *before, const char *after)
{
    if (!str_eq(before, after))
        add(walk, CHANGE_SETTING, key, show_text(before), show_text(after));
}

static const char *host_of(const struct config_runner *runner)
{
    return runner->autoscaler.plugin_inline ? "inline" : "worker";
}

static void diff_entry(struct walk *walk, const struct config_runner *before,
                       const struct config_runner *after)
{
    walk->runner = after->name;
    diff_section(walk, &runner_section, "", before, after);
    diff_by_name(walk, "autoscaler.plugin_host", host_of(before), host_of(after));
    walk->runner = NULL;
}

static void tell_entry(struct walk *walk, enum config_change_kind kind, const char *runner)
{
    walk->runner = runner;
    add(walk, kind, NULL, NULL, NULL);
    walk->runner = NULL;
}

static bool same_group(const struct config_runner *a, const struct config_runner *b)
{
    autofree char *key_a = config_group_key(a), *key_b = config_group_key(b);

    return str_eq(key_a, key_b);
}

static const struct config_runner *find(const struct config *config,
                                        const struct config_runner *like,
                                        bool (*same)(const struct config_runner *a,
                                                     const struct config_runner *b))
{
    for (size_t i = 0; i < config->n_runners; i++)
        if (same(&config->runners[i], like))
            return &config->runners[i];
    return NULL;
}

static void diff_entries(struct walk *walk, const struct config *before, const struct config *after)
{
    for (size_t i = 0; i < after->n_runners; i++) {
        const struct config_runner *runner = &after->runners[i];
        const struct config_runner *former = find(before, runner, config_same_runner);

        if (!former) {
            tell_entry(walk, CHANGE_ENTRY_ADDED, runner->name);
            continue;
        }
        diff_entry(walk, former, runner);
        if (!same_group(former, runner))
            tell_entry(walk, CHANGE_ENTRY_MOVED, runner->name);
    }
    for (size_t i = 0; before->runners && i < before->n_runners; i++) {
        const struct config_runner *runner = &before->runners[i];

        if (!find(after, runner, config_same_runner))
            tell_entry(walk, CHANGE_ENTRY_REMOVED, runner->name);
    }
}

int config_diff(const struct config *before, const struct config *after, struct config_changes *ret)
{
    struct walk walk = { .changes = ret };

    diff_section(&walk, &config_section, "", before, after);
    diff_by_name(&walk, "log_level", log_level_name(before->log_level),
                 log_level_name(after->log_level));
    diff_by_name(&walk, "log_format", log_format_name(before->log_format),
                 log_format_name(after->log_format));
    diff_entries(&walk, before, after);
    return walk.r;
}

int config_diff_runner(const struct config_runner *before, const struct config_runner *after,
                       struct config_changes *ret)
{
    struct walk walk = { .changes = ret };

    diff_entry(&walk, before, after);
    return walk.r;
}

void config_changes_done(struct config_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->items[i].runner);
        free(changes->items[i].key);
        free(changes->items[i].before);
        free(changes->items[i].after);
    }
    free(changes->items);
    *changes = (struct config_changes) { 0 };
}

bool config_changes_have(const struct config_changes *changes, const char *key)
{
    for (size_t i = 0; i < changes->count; i++)
        if (changes->items[i].key && str_starts(changes->items[i].key, key))
            return true;
    return false;
}

void config_change_text(const struct config_change *change, struct buf *out)
{
    if (change->runner)
        buf_addf(out, "runner '%s': ", change->runner);
    switch (change->kind) {
    case CHANGE_SETTING:
        buf_addf(out, "%s: ", change->key);
        if (change->before && change->after)
            buf_addf(out, "%s → %s", change->before, change->after);
        else
            buf_add_str(out, "changed");
        break;
    case CHANGE_ENTRY_ADDED:
        buf_add_str(out, "added");
        break;
    case CHANGE_ENTRY_REMOVED:
        buf_add_str(out,
                    "removed: its jobs run to their end, and its instances go once they are idle");
        break;
    case CHANGE_ENTRY_MOVED:
        buf_add_str(out, "another instance group: jobs on the old one run to their end, and its "
                         "instances go once they are idle");
        break;
    }
}
