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
#include "core/base/token.h"
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

    if (r == -ENOENT) {
        log_warning("%s; so there is no runner. --config FILE names another one", err.message);
        return 0;
    }
    if (r < 0)
        log_error("%s", err.message);
    return r;
}

/* The first of its runner's entries among those that are meant. */
static bool is_first(const struct entries *entries, size_t at, runners_pick_fn pick,
                     const void *options)
{
    const struct entry *entry = &entries->items[at];

    if (!pick(options, entry))
        return false;
    for (size_t i = 0; i < at && !entry->fault; i++)
        if (entry_is(&entries->items[i], entry->url, secret_reveal(entry->token)) &&
            pick(options, &entries->items[i]))
            return false;
    return true;
}

size_t runners_count(const struct entries *entries, runners_pick_fn pick, const void *options,
                     const struct entry **ret_first)
{
    size_t n = 0;

    for (size_t i = 0; i < entries->n; i++)
        if (is_first(entries, i, pick, options) && n++ == 0)
            *ret_first = &entries->items[i];
    return n;
}

static int act_on(const struct entry *entry, runners_act_fn act, void *arg)
{
    char token[TOKEN_SHORT_SIZE];

    if (entry->fault) {
        log_error("runner '%s': %s", entry->name, entry->fault);
        return -EINVAL;
    }
    token_shorten(secret_reveal(entry->token), token);
    auto_log_scope struct log_scope scope = log_scope_open("runner", "%.8s", token);
    return act(arg, entry);
}

size_t runners_each(const struct entries *entries, runners_pick_fn pick, const void *options,
                    runners_act_fn act, void *arg)
{
    size_t failed = 0;

    for (size_t i = 0; i < entries->n; i++)
        if (is_first(entries, i, pick, options) && act_on(&entries->items[i], act, arg) < 0)
            failed++;
    return failed;
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

int runners_verify(const struct coordinator_host *host, const char *token, const char *system_id,
                   struct gitlab_answer *ret)
{
    bool made = coordinator_token_is_made(token);
    struct error err = { 0 };
    int r = gitlab_verify(host, token, system_id, ret, &err);

    if (r < 0)
        log_error("Verifying runner... client error: %s", err.message);
    else if (ret->status == 200)
        log_info("Verifying runner... is %s", made ? "valid" : "alive");
    else if (ret->status == 403)
        log_error("Verifying runner... is %s", made ? "not valid" : "removed");
    else
        log_error("Verifying runner... failed: %s", ret->message);
    return r < 0 ? r : ret->status;
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

static int remove_entries(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    const struct removal *removal = arg;
    autobuf struct buf left = BUF_SECRET;
    size_t at = 0, n = 0;
    int r;

    buf_add(&left, buf_str(text), text->len);
    for (;; n++) {
        autobuf struct buf former = BUF_SECRET;

        r = entries_find(&left, removal->config, removal->entry->url,
                         secret_reveal(removal->entry->token), &at, err);
        if (r < 0)
            break;
        former = left;
        left = BUF_SECRET;
        r = edit_remove_runner(&former, removal->config, at, &left, err);
        if (r < 0)
            return r;
    }
    if (n == 0 || r != -ENOENT)
        return r;
    buf_add(ret, buf_str(&left), left.len);
    return 0;
}

int runners_remove(const char *config, const struct entry *entry)
{
    struct removal removal = { config, entry };
    struct error err = { 0 };
    int r = edit_file(config, RUNNERS_EDIT_WAIT_MS, remove_entries, &removal, &err);

    if (r < 0)
        log_error("Failed to update %s: %s", config, err.message);
    else
        log_info("Updated %s", config);
    return r;
}
