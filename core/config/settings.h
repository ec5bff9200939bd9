/* core/config/settings.h - how the rows of settings_*.c are written, and the sections that refer to
 * each other.
 *
 * One file a chapter of GitLab Runner's documentation. A setting it has and we do not act on is
 * NOT_YET where its type is ours to check, and KNOWN where it is for other executors or services:
 * a configuration written for it loads with a note and no warning. What must hold between settings
 * is in sections.c and advice.c.
 */
#pragma once

#include "core/base/str.h"
#include "core/config/checks.h"

#define COUNT_MAX 1000000 /* jobs, instances, uses: more is a typing error */
#define SECONDS_MAX (366 * 24 * 3600)
#define MS_DAY INT64_C(86400000)
#define MS_MINUTE INT64_C(60000)

#define KNOWN(text)                                                                                \
    {                                                                                              \
        .name = (text), .kind = SETTING_KNOWN                                                      \
    }
#define OTHER_EXECUTOR(text)                                                                       \
    {                                                                                              \
        .name = (text), .kind = SETTING_KNOWN, .note = "is for another executor, ignoring"         \
    }
#define TEXT(key, type, field, ...)                                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_TEXT,                                                       \
        .offset = offsetof(type, field) __VA_OPT__(, ) __VA_ARGS__                                 \
    }
#define SECRET(key, type, field)                                                                   \
    {                                                                                              \
        .name = (key), .kind = SETTING_SECRET, .offset = offsetof(type, field)                     \
    }
/* Beside a SECRET of the same place: the file that holds it. */
#define SECRET_FILE(key, type, field)                                                              \
    {                                                                                              \
        .name = (key), .kind = SETTING_SECRET_FILE, .offset = offsetof(type, field)                \
    }
#define BOOL(key, type, field, ...)                                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_BOOL,                                                       \
        .offset = offsetof(type, field) __VA_OPT__(, ) __VA_ARGS__                                 \
    }
#define INTEGER(key, type, field, least, most, ...)                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_INTEGER, .offset = offsetof(type, field), .min = (least),   \
        .max = (most), __VA_ARGS__                                                                 \
    }
#define DURATION(key, type, field, most, ...)                                                      \
    {                                                                                              \
        .name = (key), .kind = SETTING_DURATION, .offset = offsetof(type, field), .max = (most),   \
        __VA_ARGS__                                                                                \
    }
/* Without a place in the struct: stored by its check, or the plugin's, or below a section that is
 * noted as a whole. */
#define CHECKED(key, what, ...)                                                                    \
    {                                                                                              \
        .name = (key), .kind = (what), .flags = SETTING_NOWHERE __VA_OPT__(, ) __VA_ARGS__         \
    }
#define NOT_YET(key, what, ...)                                                                    \
    {                                                                                              \
        .name = (key), .kind = (what),                                                             \
        .flags = SETTING_NOT_YET | SETTING_NOWHERE __VA_OPT__(, ) __VA_ARGS__                      \
    }
#define SECTION(key, type, field, what)                                                            \
    {                                                                                              \
        .name = (key), .kind = SETTING_SECTION, .offset = offsetof(type, field), .section = (what) \
    }
/* A section of which nothing is kept. */
#define CHECKED_SECTION(title, rows)                                                               \
    {                                                                                              \
        .name = (title), .settings = (rows), .n_settings = ARRAY_LEN(rows)                         \
    }

extern const struct section runner_section, autoscaler_section, cache_section, flags_section;
