/* core/config/config.c - reading config.toml: the file and who may change it, then the tree, then
 * the tables of settings_*.c.
 */
#include "core/config/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/secret_file.h"

#define FILE_MAX ((size_t) 4 * 1024 * 1024)

/* hardening.md P2 */
static void check_permissions(struct config_reading *reading, const char *file)
{
    struct error err = { 0 };
    bool readable = false;

    if (fs_check_private_file(file, &readable, &err) < 0)
        finding_add_on_file(reading, CONFIG_ERROR, "others decide what is in the file: %s",
                            err.message);
    else if (readable)
        finding_add_on_file(reading, CONFIG_WARNING,
                            "the file can be read by others, and tokens are in it; chmod 600 it");
}

static int parse(struct config_reading *reading, const char *text, size_t len,
                 struct toml_value **ret)
{
    struct error err = { 0 };
    struct toml_place where;
    int r = toml_parse(text, len, ret, &where, &err);

    if (r == -ENOMEM)
        reading->out_of_memory = true;
    else if (r < 0)
        finding_add(reading, CONFIG_ERROR, where, "%s", err.message);
    return r;
}

static struct config *config_new(struct config_reading *reading)
{
    struct config *config = mem_zero(sizeof(*config));

    if (!config)
        return NULL;
    config->refs = 1;
    config->log_level = LOG_LEVEL_INFO;
    config->log_format = LOG_FORMAT_TEXT;
    config->file = mem_strdup(reading->file);
    if (!config->file) {
        free(config);
        return NULL;
    }
    return config;
}

/* What the findings mean for the caller. */
static int conclude(const struct config_reading *reading, struct error *err)
{
    const struct config_finding *first = findings_first_error(reading->findings);

    findings_sort(reading->findings);
    if (reading->out_of_memory)
        return error_set(err, -ENOMEM, "%s: out of memory", reading->file);
    if (first)
        return error_set(err, -EINVAL, "%s", findings_first_error(reading->findings)->text);
    return 0;
}

/* Whatever the findings say; NULL for what is no TOML. */
static struct config *read_text(struct config_reading *reading, const char *text, size_t len)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    struct config *config;

    if (parse(reading, text, len, &root) < 0)
        return NULL;
    letter_case_mend(reading, &config_section, root);
    reading->section = "";
    credentials_place(reading, root);
    config = config_new(reading);
    if (config)
        section_fill(reading, &config_section, root, config);
    else
        reading->out_of_memory = true;
    findings_name_keys(reading, root);
    return config;
}

static int load_text(struct config_reading *reading, const char *text, size_t len,
                     struct config **ret, struct error *err)
{
    auto_ptr(config_free) struct config *config = read_text(reading, text, len);
    int r = conclude(reading, err);

    if (r == 0 && !config)
        r = error_set(err, -EINVAL, "%s: is no configuration", reading->file);
    if (r == 0)
        *ret = take_ptr(config);
    return r;
}

static int load_file(struct config_reading *reading, struct config **ret, struct error *err)
{
    autobuf struct buf contents = BUF_SECRET;
    struct config_stamp stamp = config_stamp(reading->file);
    int r = fs_read_file(AT_FDCWD, reading->file, FILE_MAX, &contents, err);

    if (r < 0)
        return r;
    check_permissions(reading, reading->file);
    r = load_text(reading, buf_str(&contents), contents.len, ret, err);
    if (r == 0 && *ret)
        (*ret)->stamp = stamp;
    return r;
}

struct config_stamp config_stamp(const char *file)
{
    struct stat st;

    if (stat(file, &st) < 0)
        return (struct config_stamp) { 0 };
    return (struct config_stamp) { .device = st.st_dev,
                                   .inode = st.st_ino,
                                   .size = st.st_size,
                                   .changed_ns = (int64_t) st.st_ctim.tv_sec * 1000000000 +
                                                 st.st_ctim.tv_nsec };
}

bool config_stamp_equal(const struct config_stamp *a, const struct config_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}

int config_load(const char *file, const char *text, struct config **ret,
                struct config_findings *findings, struct error *err)
{
    struct config_reading reading = { .file = file, .findings = findings };

    return text ? load_text(&reading, text, strlen(text), ret, err) : load_file(&reading, ret, err);
}

static bool is_refused(const struct config_findings *findings, const char *key)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity == CONFIG_ERROR && str_eq(findings->items[i].key, key))
            return true;
    return false;
}

int config_load_state_dir(const char *file, char **ret, struct error *err)
{
    struct config_findings findings = { 0 };
    struct config_reading reading = { .file = file, .findings = &findings };
    auto_ptr(config_free) struct config *config = NULL;
    autobuf struct buf contents = BUF_SECRET;
    int r = fs_read_file(AT_FDCWD, file, FILE_MAX, &contents, err);

    if (r < 0)
        return r;
    check_permissions(&reading, file);
    r = conclude(&reading, err);
    if (r == 0)
        config = read_text(&reading, buf_str(&contents), contents.len);
    if (config && !reading.out_of_memory && !is_refused(&findings, "state_dir"))
        *ret = take_ptr(config->state_dir);
    else if (r == 0)
        r = conclude(&reading, err);
    config_findings_done(&findings);
    return r;
}

int config_check(const char *file, const struct config_plugins *plugins,
                 struct config_findings *findings)
{
    struct config_reading reading = { .file = file, .findings = findings, .plugins = plugins };
    auto_ptr(config_free) struct config *config = NULL;
    struct error failure = { 0 };
    int r = load_file(&reading, &config, &failure);

    if (r < 0 && !findings_first_error(findings))
        finding_add_on_file(&reading, CONFIG_ERROR, "%s", failure.message);
    return r;
}

struct config *config_ref(struct config *config)
{
    config->refs++;
    return config;
}

void config_free(struct config *config)
{
    if (!config || --config->refs > 0)
        return;
    section_free(&config_section, config);
    free(config->file);
    free(config);
}
