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

static void add_sentence(struct config_reading *reading, enum config_severity severity,
                         struct toml_place place, const char *sentence)
{
    struct config_findings *findings = reading->findings;
    struct config_finding *items;
    char *text;

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
    items[findings->count++] = (struct config_finding) {
        .severity = severity, .line = place.line, .column = place.column, .text = text
    };
}

static bool was_said(const struct config_findings *findings, const char *sentence)
{
    for (size_t i = 0; i < findings->count; i++)
        if (str_ends(findings->items[i].text, sentence))
            return true;
    return false;
}

static void vadd(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, bool once, const char *fmt, va_list args)
    PRINTF_LIKE(5, 0);
static void vadd(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, bool once, const char *fmt, va_list args)
{
    autobuf struct buf sentence = BUF_INIT;

    buf_vaddf(&sentence, fmt, args);
    if (buf_error(&sentence))
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

void config_findings_print(const struct config_findings *findings)
{
    static const char *const words[] = {
        [CONFIG_NOTE] = "note", [CONFIG_WARNING] = "warning", [CONFIG_ERROR] = "error"
    };

    for (size_t i = 0; i < findings->count; i++)
        (void) fprintf(stderr, "%s: %s\n", words[findings->items[i].severity],
                       findings->items[i].text);
}

void config_findings_done(struct config_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free(findings->items[i].text);
    free(findings->items);
    *findings = (struct config_findings) { 0 };
}
