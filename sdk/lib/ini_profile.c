/* sdk/lib/ini_profile.c - see ini_profile.h. The lines are inih's to take apart. It keeps 49 bytes of a section's name,
 * which may be longer, and says of a wrong line no more than its number, so we hand it the lines and know both.
 */
#include "sdk/lib/ini_profile.h"

#include <ini.h>
#include <stdio.h>
#include <strings.h>

#include <flotilla/provider.h>

#include "sdk/lib/wipe.h"

#define LINE_MAX_BYTES (16 * 1024)
#define BLANKS " \t\r\n\v\f"

struct flt_ini {
    char *path;
    struct entry *last;
};

struct entry {
    struct flt_ini_setting seen;
    struct entry *before; /* in the file */
    char texts[];
};

struct reading {
    struct flt_ini *ini;
    const char *at; /* what is left of the text */
    unsigned line;
    char *section;     /* of the line; NULL before the first */
    int indented;      /* the line */
    int behind_a_key;  /* of this section */
    const char *wrong; /* with the line, where inih does not say it */
    int no_memory;
};

/* Copies a text, NULL is none, to *at, which moves behind it. */
static char *put(const char *text, char **at)
{
    char *start = *at;

    if (!text)
        return NULL;
    *at = stpcpy(start, text) + 1;
    return start;
}

/* Key and value NULL = a section begins. */
static int keep(struct reading *reading, const char *key, const char *value)
{
    size_t len = strlen(reading->section) + (key ? strlen(key) : 0) + (value ? strlen(value) : 0);
    struct entry *new = malloc(sizeof(*new) + len + 3);
    char *at;

    reading->no_memory = !new;
    if (!new)
        return 0;
    at = new->texts;
    new->seen.section = put(reading->section, &at);
    new->seen.key = put(key, &at);
    new->seen.value = put(value, &at);
    new->seen.line = reading->line;
    new->before = reading->ini->last;
    reading->ini->last = new;
    return 1;
}

/* "[ profile ci ]": what is between the brackets. Without a closing one inih refuses the line. */
static void begin_section(struct reading *reading, const char *line, size_t len)
{
    const char *end = memchr(line, ']', len), *start = line + 1;

    if (!end)
        return;
    start += strspn(start, BLANKS);
    while (end > start && strchr(BLANKS, end[-1]))
        end--;
    free(reading->section);
    reading->section = end > start ? strndup(start, (size_t) (end - start)) : strdup("");
    reading->behind_a_key = 0;
    reading->no_memory = !reading->section || !keep(reading, NULL, NULL);
}

/* fgets() on the text. The buffer is inih's only one and held the line before: a secret maybe. */
static char *next_line(char *buffer, int size, void *arg)
{
    struct reading *reading = arg;
    size_t len = strcspn(reading->at, "\n"), blanks;
    const char *line = reading->at;

    explicit_bzero(buffer, (size_t) size);
    if (!*line || reading->no_memory || reading->wrong)
        return NULL;
    reading->line++;
    reading->at += len + (line[len] == '\n');
    if (len + 2 > (size_t) size) {
        reading->wrong = "the line is too long";
        return NULL;
    }
    reading->indented = *line == ' ' || *line == '\t';
    /* A header may be indented; to inih the rest of a value would be. */
    blanks = strspn(line, " \t");
    if (line[blanks] == '[') {
        line += blanks;
        len -= blanks;
        begin_section(reading, line, len);
    }
    memcpy(buffer, line, len);
    buffer[len] = '\n';
    return buffer;
}

static int take_setting(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *reading = arg;

    (void) section;
    if (reading->indented && reading->behind_a_key)
        return 1;
    reading->behind_a_key = 1;
    if (!reading->section)
        reading->wrong = "the setting stands before the first [section]";
    else if (!*key)
        reading->wrong = "the setting has no name";
    return !reading->wrong && keep(reading, key, value);
}

static int parse(struct reading *reading)
{
    static char comments[] = "#;";

    /* inih's options are global; all of this process want the same. */
    ini_use_stack = true;
    ini_max_line = LINE_MAX_BYTES;
    ini_stop_on_first_error = true;
    ini_allow_multiline = true;
    ini_allow_inline_comments = true;
    ini_inline_comment_prefixes = comments;
    return ini_parse_stream(next_line, reading, take_setting, reading);
}

static int32_t judge(const struct reading *reading, int result, char *error)
{
    if (reading->no_memory || result < 0) {
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s: out of memory", reading->ini->path);
        return FLT_E_INTERNAL;
    }
    if (result == 0 && !reading->wrong)
        return FLT_OK;
    (void) snprintf(error, FLT_ERROR_MAX, "%.300s:%u: %s", reading->ini->path, reading->line,
                    reading->wrong ? reading->wrong
                                   : "the line is no 'name = value', no [section] and no comment");
    return FLT_E_INVALID;
}

int32_t flt_ini_parse(const char *path, const char *text, struct flt_ini **ret, char *error)
{
    struct reading reading = { .ini = calloc(1, sizeof(*reading.ini)) };
    int32_t code;

    if (!reading.ini || !(reading.ini->path = strdup(path))) {
        free(reading.ini);
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s: out of memory", path);
        return FLT_E_INTERNAL;
    }
    reading.at = text + (strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0);
    code = judge(&reading, parse(&reading), error);
    free(reading.section);
    if (code == FLT_OK)
        *ret = reading.ini;
    else
        flt_ini_free(reading.ini);
    return code;
}

int32_t flt_ini_read(const char *path, struct flt_ini **ret, char *error)
{
    FLT_WIPED char *text = NULL;
    int32_t code = flt_file_read(path, FLT_INI_MAX, &text, error);

    return code == FLT_OK ? flt_ini_parse(path, text, ret, error) : code;
}

void flt_ini_free(struct flt_ini *ini)
{
    if (!ini)
        return;
    for (struct entry *entry = ini->last, *before; entry; entry = before) {
        before = entry->before;
        if (entry->seen.value)
            explicit_bzero(entry->seen.value, strlen(entry->seen.value));
        free(entry);
    }
    free(ini->path);
    free(ini);
}

const char *flt_ini_path(const struct flt_ini *ini)
{
    return ini->path;
}

int flt_ini_is(const char *section, const char *kind, const char *name)
{
    size_t kind_len = kind ? strlen(kind) : 0, name_len = strlen(name);

    if (!kind)
        return strcmp(section, name) == 0;
    if (strncmp(section, kind, kind_len) != 0)
        return 0;
    section += kind_len;
    if (strspn(section, BLANKS) == 0)
        return 0;
    section += strspn(section, BLANKS);
    if ((*section == '"' || *section == '\'') && strlen(section) == name_len + 2 &&
        section[name_len + 1] == *section)
        return strncmp(section + 1, name, name_len) == 0;
    return strcmp(section, name) == 0;
}

const struct flt_ini_setting *flt_ini_find(const struct flt_ini *ini, const char *kind,
                                           const char *name, const char *key)
{
    for (const struct entry *entry = ini ? ini->last : NULL; entry; entry = entry->before) {
        const struct flt_ini_setting *seen = &entry->seen;

        if ((key ? seen->key && strcasecmp(seen->key, key) == 0 : !seen->key) &&
            flt_ini_is(seen->section, kind, name))
            return seen;
    }
    return NULL;
}
