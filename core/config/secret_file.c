/* core/config/secret_file.c - `password_file` and its like (secret_file.h). They are read with the configuration, so
 * that a new content holds at the next reload. */
#include "core/config/secret_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/checks.h"

#define SECRET_FILE_MAX ((size_t) 64 * 1024)
#define CREDENTIALS "$CREDENTIALS_DIRECTORY/"

struct secret *secret_file_read(struct config_reading *reading, const struct toml_value *value)
{
    autobuf struct buf text = BUF_SECRET;
    struct error err = { 0 };
    struct secret *secret;

    if (reading->plugins && access(value->text, F_OK) < 0) {
        check_file_is_here(reading, value, NULL);
        return NULL;
    }
    if (fs_read_file(AT_FDCWD, value->text, SECRET_FILE_MAX, &text, &err) < 0) {
        finding_add(reading, CONFIG_ERROR, value->place, "%s '%s': %s", reading->section,
                    value->key, err.message);
        return NULL;
    }
    check_private_file(reading, value);
    while (text.len > 0 && isspace((unsigned char) text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    if (text.len == 0 || memchr(text.data, '\0', text.len)) {
        finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' %s", reading->section, value->key,
                    text.len == 0 ? "is empty" : "holds a zero byte, which no secret has");
        return NULL;
    }
    secret = secret_new(buf_str(&text), text.len);
    if (!secret)
        reading->out_of_memory = true;
    return secret;
}

static const struct setting *given_directly(const struct section *section,
                                            const struct setting *file)
{
    for (size_t i = 0; i < section->n_settings; i++)
        if (section->settings[i].kind == SETTING_SECRET &&
            section->settings[i].offset == file->offset)
            return &section->settings[i];
    return NULL;
}

void secret_file_check_once(struct config_reading *reading, const struct section *section,
                            const struct toml_value *table)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *file = &section->settings[i], *direct;
        const struct toml_value *value;

        if (file->kind != SETTING_SECRET_FILE)
            continue;
        value = toml_find(table, file->name);
        direct = given_directly(section, file);
        if (value && direct && toml_find(table, direct->name))
            finding_add(reading, CONFIG_ERROR, value->key_place,
                        "%s has both '%s' and '%s'; keep one", section->name, direct->name,
                        file->name);
    }
}

char *credentials_path(const char *text)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    return str_starts(text, CREDENTIALS) && !str_empty(directory)
               ? mem_printf("%s/%s", directory, text + strlen(CREDENTIALS))
               : mem_strdup(text);
}

static void place_string(struct config_reading *reading, struct toml_value *value)
{
    char *path;

    if (!str_starts(value->text, CREDENTIALS))
        return;
    if (str_empty(getenv("CREDENTIALS_DIRECTORY"))) {
        finding_add(reading, CONFIG_NOTE, value->place,
                    CREDENTIALS
                    " is there only where systemd starts flotilla with LoadCredential=");
        return;
    }
    path = credentials_path(value->text);
    if (!path) {
        reading->out_of_memory = true;
        return;
    }
    free(value->text);
    value->text = path;
}

void credentials_place(struct config_reading *reading, struct toml_value *value)
{
    if (value->type == TOML_STRING)
        place_string(reading, value);
    for (size_t i = 0; i < value->n_items; i++)
        credentials_place(reading, &value->items[i]);
}
