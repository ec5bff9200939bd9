/* core/config/schema.h - settings as rows of tables: name, kind, place in the struct, default,
 * range. One walk fills a struct from a TOML tree, another frees it.
 */
#pragma once

#include "core/config/findings.h"

enum setting_kind {
    SETTING_TEXT,        /* char * */
    SETTING_SECRET,      /* struct secret * */
    SETTING_SECRET_FILE, /* a file with the SETTING_SECRET at the same place of the struct */
    SETTING_INTEGER,     /* int64_t */
    SETTING_SECONDS,     /* whole seconds in the file, int64_t of milliseconds in the struct */
    SETTING_DURATION,    /* "1m30s" in the file, int64_t of milliseconds in the struct */
    SETTING_TIME,     /* a date and time in the file, int64_t of wall ms in the struct; none = 0 */
    SETTING_BOOL,     /* bool */
    SETTING_TRISTATE, /* int: -1 unset, 0, 1 */
    SETTING_REAL,     /* double */
    SETTING_TEXTS,    /* char **, its size_t at `count` */
    SETTING_REALS,    /* an array of numbers, rising: double *, its size_t at `count` */
    SETTING_JSON,     /* a table as json_t *, {} when absent */
    SETTING_SECTION,  /* a table, filled into the struct at `offset` */
    SETTING_SECTIONS, /* an array of tables: pointer at `offset`, its size_t at `count` */
    SETTING_KNOWN     /* GitLab Runner has it and we do not act on it: noted once, type unchecked */
};

enum {
    SETTING_ZERO_IS_DEFAULT = 1, /* 0 means the default, as in GitLab Runner */
    SETTING_NOT_YET = 2,         /* nothing acts on it so far: noted once */
    SETTING_PRIVATE = 8,         /* its value may hold what is for few eyes: shown to nobody */
    SETTING_NOWHERE = 4 /* has no place in the struct: checked, and stored by its check if at all */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    unsigned flags;
    size_t offset, count;
    int64_t initial, min, max; /* in the unit of the file for numbers, in ms for durations */
    const char *initial_text;
    const char *const *choices; /* SETTING_TEXT: the values allowed, ended by NULL */
    const char *unit;           /* of a number, where its name does not tell: "KiB" */
    const struct section *section;
    /* Called when the value has the right type, after it was stored; `record` is the struct. */
    void (*check)(struct config_reading *reading, const struct toml_value *value, void *record);
    const char *note; /* ends the sentence of SETTING_KNOWN and SETTING_NOT_YET */
};

struct section {
    const char *name; /* "[runners.autoscaler]"; how messages call it, and the manual page */
    size_t size;
    const struct setting *settings;
    size_t n_settings;
    /* Called when all members are stored; says what is missing or does not go together. */
    void (*check)(struct config_reading *reading, const struct toml_value *table, void *record);
    /* Where that holds, keys that are not among the settings are a plugin's. */
    bool (*has_others)(const struct toml_value *table);
};

extern const struct section config_section; /* the whole file, for struct config */

/* What a value must be: "a whole number of seconds". */
const char *setting_wants(const struct setting *setting);

/* letter_case.c: keys that differ from a setting's name in their case alone become it, with a note. */
void letter_case_mend(struct config_reading *reading, const struct section *section,
                      struct toml_value *table);
/* `record` is zeroed memory of section->size; it can be freed whatever the findings say. */
void section_fill(struct config_reading *reading, const struct section *section,
                  const struct toml_value *table, void *record);
void section_free(const struct section *section, void *record); /* what `record` points to */

/* A TOML value as JSON, for plugins; dates become strings. NULL when memory is short or a number
 * has no JSON form, which is a finding. */
json_t *toml_to_json(struct config_reading *reading, const struct toml_value *value);
