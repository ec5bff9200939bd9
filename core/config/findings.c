/* core/config/findings.c - collecting what is wrong or worth knowing in a configuration file.
 *
 * Every text begins with FILE:LINE:COLUMN, which editors and people can jump to (hardening.md V19).
 */
#include "core/config/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* The next one is an error that stands for all further ones: a file of rubbish must not fill the
 * screen and the memory. */
#define FINDINGS_MAX 200
#define SENTENCE_MAX 2000

/* Sentences that have no setting to point at stand here. */
static const struct toml_place start_of_file = { 1, 1 };

static void add_sentence(struct config_reading *reading, enum config_severity severity,
                         struct toml_place place, const char *sentence)
{
    struct config_findings *findings = reading->findings;
    struct config_finding *items;
    char *text;

    reading->said++;
    if (findings->count > FINDINGS_MAX)
        return;
    if (findings->count == FINDINGS_MAX) {
        severity = CONFIG_ERROR;
        sentence = "there is more to say than is shown; mend the first findings and try again";
    }
    items = mem_resize(findings->items, findings->count + 1, sizeof(*items));
    if (items)
        findings->items = items;
    text = mem_printf("%s:%d:%d: %s", reading->file, place.line, place.column, sentence);
    if (!items || !text) {
        free(text);
        reading->out_of_memory = true;
        return;
    }
    items[findings->count++] =
        (struct config_finding) { .severity = severity,
                                  .line = place.line,
                                  .column = place.column,
                                  .text = text,
                                  .sentence = text + strlen(text) - strlen(sentence) };
}

static bool was_said(const struct config_findings *findings, const char *sentence)
{
    for (size_t i = 0; i < findings->count; i++)
        if (str_eq(findings->items[i].sentence, sentence))
            return true;
    return false;
}

static void vadd(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, bool once, const char *fmt, va_list args)
    PRINTF_LIKE(5, 0);
static void vadd(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, bool once, const char *fmt, va_list args)
{
    autobuf struct buf raw = BUF_INIT, sentence = BUF_INIT;

    /* It quotes the file, and what reading others said: nothing of it may drive a terminal. */
    buf_vaddf(&raw, fmt, args);
    if (!buf_error(&raw))
        str_display(&sentence, buf_str(&raw), raw.len, SENTENCE_MAX);
    if (buf_error(&raw) || buf_error(&sentence))
        reading->out_of_memory = true;
    else if (!once || !was_said(reading->findings, buf_str(&sentence)))
        add_sentence(reading, severity, place, buf_str(&sentence));
}

void finding_add(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vadd(reading, severity, place, false, fmt, args);
    va_end(args);
}

void finding_add_once(struct config_reading *reading, enum config_severity severity,
                      struct toml_place place, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vadd(reading, severity, place, true, fmt, args);
    va_end(args);
}

void finding_add_on_file(struct config_reading *reading, enum config_severity severity,
                         const char *fmt, ...)
{
    size_t before = reading->findings->count;
    va_list args;

    va_start(args, fmt);
    vadd(reading, severity, start_of_file, false, fmt, args);
    va_end(args);
    if (reading->findings->count > before)
        reading->findings->items[before].on_file = true;
}

static bool stands_at(const struct toml_place *place, const struct config_finding *finding)
{
    return place->line == finding->line && place->column == finding->column;
}

/* The way from the root to a value, from its end. */
struct step {
    const struct step *outer;
    const struct toml_value *value;
    size_t index;
};

static void write_path(struct buf *path, const struct step *step)
{
    if (!step)
        return;
    write_path(path, step->outer);
    if (step->value->key)
        buf_addf(path, "%s%s", path->len > 0 ? "." : "", step->value->key);
    else
        buf_addf(path, "[%zu]", step->index);
}

/* Writes the way to the innermost value at the finding's place: "runners[0].url". A table may stand
 * where its first member stands, so that members are asked first. */
static bool find_key(const struct toml_value *value, const struct step *outer,
                     const struct config_finding *finding, struct buf *path)
{
    for (size_t i = 0; i < value->n_items; i++) {
        const struct step step = { .outer = outer, .value = &value->items[i], .index = i };

        if (find_key(step.value, &step, finding, path))
            return true;
        if (!stands_at(&step.value->place, finding) && !stands_at(&step.value->key_place, finding))
            continue;
        write_path(path, &step);
        return true;
    }
    return false;
}

void findings_name_keys(struct config_reading *reading, const struct toml_value *root)
{
    for (size_t i = 0; i < reading->findings->count; i++) {
        struct config_finding *finding = &reading->findings->items[i];
        autobuf struct buf path = BUF_INIT;

        if (finding->on_file || !find_key(root, NULL, finding, &path))
            continue;
        finding->key = buf_take(&path);
        if (!finding->key)
            reading->out_of_memory = true;
    }
}

static int compare(const void *left, const void *right)
{
    const struct config_finding *a = left, *b = right;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void findings_sort(struct config_findings *findings)
{
    if (findings->count > 1)
        qsort(findings->items, findings->count, sizeof(findings->items[0]), compare);
}

const struct config_finding *findings_first_error(const struct config_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity == CONFIG_ERROR)
            return &findings->items[i];
    return NULL;
}

const char *config_severity_name(enum config_severity severity)
{
    static const char *const names[] = {
        [CONFIG_NOTE] = "note", [CONFIG_WARNING] = "warning", [CONFIG_ERROR] = "error"
    };

    return names[severity];
}

void config_findings_print(const struct config_findings *findings, enum config_severity least,
                           FILE *out)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity >= least)
            (void) fprintf(out, "%s: %s\n", config_severity_name(findings->items[i].severity),
                           findings->items[i].text);
}

size_t config_findings_count(const struct config_findings *findings, enum config_severity severity)
{
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++)
        count += findings->items[i].severity == severity;
    return count;
}

static void finding_done(struct config_finding *finding)
{
    free(finding->key);
    free(finding->text);
}

void config_findings_done(struct config_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        finding_done(&findings->items[i]);
    free(findings->items);
    *findings = (struct config_findings) { 0 };
}
