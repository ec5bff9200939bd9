/* core/config/checks.c - what one value must be beyond its type.
 *
 * Sentences say what is allowed and what to do. Values of secrets are never shown.
 */
#include "core/config/checks.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/token.h"

#define SHOWN_MAX 80
#define ENVIRONMENT_NAME_MAX 256

/* "SECTION 'KEY' must be WANTED, not "VALUE"". */
static void refuse(struct config_reading *reading, const struct toml_value *value,
                   const char *wanted)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
    finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s, not \"%s\"",
                reading->section, value->key, wanted, buf_str(&shown));
}

void check_protocol(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (!str_empty(value->text) && !str_eq(value->text, "ssh") && !str_eq(value->text, "winrm") &&
        !str_eq(value->text, "winrm+https"))
        refuse(reading, value, "ssh, winrm or winrm+https");
}

void check_plugin(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (str_empty(value->text))
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[runners.autoscaler] 'plugin' is empty; name the plugin that makes instances");
}

void check_plugin_host(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config_autoscaler *autoscaler = record;

    (void) reading;
    autoscaler->plugin_inline = str_eq(value->text, "inline");
}

/* A note: the file may be on the machine that the configuration is for. Where it is needed and not
 * there, what needs it says so. */
void check_file_is_here(struct config_reading *reading, const struct toml_value *value,
                        void *record)
{
    autobuf struct buf shown = BUF_INIT;

    (void) record;
    if (str_empty(value->text) || access(value->text, F_OK) == 0)
        return;
    str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
    finding_add(reading, CONFIG_NOTE, value->place, "%s '%s': this machine has no file \"%s\"%s",
                reading->section, value->key, buf_str(&shown),
                str_eq(value->key, "key_path") ? ", so 'flotilla run' refuses the runner here"
                                               : "");
}

void check_private_file(struct config_reading *reading, const struct toml_value *value)
{
    struct error err = { 0 };
    bool readable = false;

    if (fs_check_private_file(value->text, &readable, &err) < 0)
        finding_add(reading, CONFIG_ERROR, value->place, "%s others decide what is in '%s': %s",
                    reading->section, value->key, err.message);
    else if (readable)
        finding_add(reading, CONFIG_WARNING, value->place,
                    "%s '%s' can be read by others; chmod 600 it", reading->section, value->key);
}

void check_key_file(struct config_reading *reading, const struct toml_value *value, void *record)
{
    check_file_is_here(reading, value, record);
    if (!str_empty(value->text) && access(value->text, F_OK) == 0)
        check_private_file(reading, value);
}

/* http or https, a host, no white space, control bytes or userinfo (hardening.md V8). */
static bool url_is_sound(const char *url)
{
    const char *host = str_starts(url, "https://")  ? url + 8
                       : str_starts(url, "http://") ? url + 7
                                                    : NULL;

    if (!host || !*host || strchr("/:?#", *host))
        return false;
    for (const char *at = host; *at; at++)
        if ((unsigned char) *at <= ' ' || *at == 0x7f || strchr("\"<>\\^`{|}", *at))
            return false;
    return !memchr(host, '@', strcspn(host, "/?#"));
}

/* Paths are appended to it. */
static void cut_slashes(char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

void check_url(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config_runner *runner = record;

    /* The value is not shown: it may hold a password. */
    if (!url_is_sound(runner->url))
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[[runners]] 'url' must be http:// or https:// with a host, without user name, "
                    "spaces and control characters");
    else
        cut_slashes(runner->url);
}

void check_clone_url(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config_runner *runner = record;

    if (str_empty(runner->clone_url))
        return;
    if (!url_is_sound(runner->clone_url))
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[[runners]] 'clone_url' must be http:// or https:// with a host, without user "
                    "name, spaces and control characters");
    else
        cut_slashes(runner->clone_url);
}

void check_token(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (!token_is_sound(value->text))
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[[runners]] 'token' is empty or has characters that no token has");
}

/* A file that is not here was noted. */
void check_token_file(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct config_runner *runner = record;

    if (runner->token && !token_is_sound(secret_reveal(runner->token)))
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[[runners]] 'token_file' holds characters that no token has");
}

void check_slot_cgroup(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct config_runner *runner = record;

    if (!strstr(runner->slot_cgroup_template, "$slot") &&
        !strstr(runner->slot_cgroup_template, "${slot}"))
        finding_add(reading, CONFIG_WARNING, value->place,
                    "[[runners]] 'slot_cgroup_template' has no ${slot}: all slots of an instance "
                    "get one cgroup");
}

void check_executor(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (!str_eq(value->text, "instance"))
        refuse(reading, value, "instance, the only one there is");
}

void check_shell(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (!str_eq(value->text, "bash") && !str_eq(value->text, "sh") &&
        !str_eq(value->text, "pwsh") && !str_eq(value->text, "powershell"))
        refuse(reading, value, "bash, sh, pwsh or powershell");
}

/* A folder on the instance (hardening.md V9). */
void check_directory(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const char *at = value->text;

    (void) record;
    for (size_t len; *at; at += len + (at[len] != '\0')) {
        len = strcspn(at, "/\\");
        if (len == 2 && at[0] == '.' && at[1] == '.')
            break;
        if (memchr(at, '\n', len) || memchr(at, '\r', len))
            break;
    }
    if (*at || strlen(value->text) > 4096)
        refuse(reading, value, "a directory without \"..\" and line breaks");
}

static size_t environment_name_len(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char) text[len]) || text[len] == '_')
        len++;
    return len > 0 && !isdigit((unsigned char) text[0]) && text[len] == '=' ? len : 0;
}

void check_environment(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    for (size_t i = 0; i < value->n_items; i++) {
        size_t len = environment_name_len(value->items[i].text);

        /* The value may be a password: the item is named by its number. */
        if (len == 0 || len > ENVIRONMENT_NAME_MAX)
            finding_add(reading, CONFIG_ERROR, value->items[i].place,
                        "[[runners]] 'environment' item %zu must be \"NAME=value\" with a name of "
                        "letters, digits and _",
                        i + 1);
    }
}

void check_state_dir(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    if (value->text[0] != '/')
        refuse(reading, value, "an absolute path");
}

void check_log_level(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config *config = record;

    (void) reading;
    (void) log_parse_level(value->text, &config->log_level);
}

void check_log_format(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config *config = record;

    (void) reading;
    (void) log_parse_format(value->text, &config->log_format);
}
