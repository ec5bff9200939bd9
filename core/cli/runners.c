/* core/cli/runners.c - see runners.h. */
#include "core/cli/runners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/control_client.h"
#include "core/config/edit.h"
#include "core/config/edit_file.h"

#define LOG_TOPIC "runners"
#include "core/base/log.h"

#define SECRET_FILE_MAX ((size_t) 4096)

bool runners_take_option(struct runners_options *options, int c)
{
    switch (c) {
    case 'c':
        options->config = optarg;
        return true;
    case 'L':
        options->log_level = optarg;
        return true;
    case 'F':
        options->log_format = optarg;
        return true;
    default:
        return false;
    }
}

int runners_begin(const char *command, struct runners_options *options)
{
    enum log_level level = LOG_LEVEL_INFO;
    enum log_format format = LOG_FORMAT_RUNNER;

    if (options->log_level && log_parse_level(options->log_level, &level) < 0)
        return cli_misuse(command,
                          "--log-level '%s' is none of error, warning, notice, info, debug",
                          options->log_level);
    if (options->log_format && log_parse_format(options->log_format, &format) < 0)
        return cli_misuse(command, "--log-format '%s' is none of runner, text, json",
                          options->log_format);
    if (!options->config)
        options->config = cli_default_config();
    log_open(2, format, level);
    return harden_process();
}

struct secret *runners_take_secret(char *argument)
{
    struct secret *secret = secret_from_str(argument);

    secret_wipe_str(argument);
    return secret;
}

struct secret *runners_read_secret(const char *command, const char *option, const char *file)
{
    autobuf struct buf text = BUF_SECRET;
    struct error err = { 0 };
    size_t len;

    if (fs_read_file(AT_FDCWD, file, SECRET_FILE_MAX, &text, &err) < 0) {
        (void) cli_misuse(command, "%s cannot be read: %s", option, err.message);
        return NULL;
    }
    len = strcspn(buf_str(&text), " \t\r\n");
    if (len == 0) {
        (void) cli_misuse(command, "%s '%s' holds no token in its first line", option, file);
        return NULL;
    }
    return secret_new(buf_str(&text), len);
}

int runners_load(const struct runners_options *options, struct entries *ret)
{
    struct error err = { 0 };
    int r = entries_load(options->config, ret, &err);

    if (r == -ENOENT)
        log_error("%s; --config FILE names another one", err.message);
    else if (r < 0)
        log_error("%s", err.message);
    return r;
}

int runners_system_id(const struct runners_options *options, char dst[SYSTEM_ID_SIZE])
{
    struct error err = { 0 };
    autofree char *state = control_state_dir(NULL, options->config, &err);
    autoclose int state_fd = state ? open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int r = system_id_load(options->config, state_fd, dst, &err);

    if (r < 0)
        log_error("%s", err.message);
    else if (r > 0)
        log_warning("%s; the system id holds for this command only", err.message);
    return r < 0 ? r : 0;
}

void runners_host(const struct entry *entry, struct coordinator_host *ret)
{
    *ret = (struct coordinator_host) { .url = entry->url,
                                       .tls_ca_file = entry->tls_ca_file,
                                       .tls_cert_file = entry->tls_cert_file,
                                       .tls_key_file = entry->tls_key_file };
}

static int add_empty(void *config, const struct buf *text, struct buf *ret, struct error *err)
{
    return edit_add_runner(text, config, "[[runners]]\n", ret, err);
}

int runners_check_config(const char *config, struct error *err)
{
    autofree char *name = mem_strdup(config), *folder = NULL;
    const char *slash = strrchr(config, '/');
    int r = 0;

    folder = slash ? mem_strndup(config, (size_t) (slash - config) + 1) : mem_strdup("./");
    if (!folder || !name)
        return error_set(err, -ENOMEM, "out of memory");
    if (access(folder, F_OK) < 0)
        r = fs_mkdirs(folder, 0700, err);
    return r < 0 ? r : edit_file_check(config, RUNNERS_EDIT_WAIT_MS, add_empty, name, err);
}

struct removal {
    const char *config;
    const struct entry *entry;
};

static int remove_entry(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    const struct removal *removal = arg;
    size_t at = 0;
    int r = entries_find(text, removal->config, removal->entry->url,
                         secret_reveal(removal->entry->token), &at, err);

    return r < 0 ? r : edit_remove_runner(text, removal->config, at, ret, err);
}

int runners_remove(const char *config, const struct entry *entry, struct error *err)
{
    struct removal removal = { config, entry };

    return edit_file(config, RUNNERS_EDIT_WAIT_MS, remove_entry, &removal, err);
}
