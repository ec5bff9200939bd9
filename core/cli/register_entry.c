/* core/cli/register_entry.c - the [[runners]] entry that `flotilla register` writes: the template's, or one with a
 * sketch of what is still to be said. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/register.h"
#include "core/config/edit.h"
#include "core/config/edit_file.h"
#include "core/config/edit_token.h"
#include "core/config/toml_change.h"

#define TEMPLATE_MAX ((size_t) 1024 * 1024)

/* Of a file that is not there yet. */
static const char beginning[] = "# How many jobs may run at once, of all runners together.\n"
                                "concurrent = 1\n";

static const char sketch[] =
    "  # Where its jobs run; see flotilla.toml(5). Take the # away from the lines that you need.\n"
    "  # [runners.autoscaler]\n"
    "  #   plugin = \"aws\"              # or googlecompute, static, or one of your own\n"
    "  #   capacity_per_instance = 1   # jobs at once on an instance\n"
    "  #   max_use_count = 1           # jobs in the life of an instance\n"
    "  #   max_instances = 10\n"
    "  #   [runners.autoscaler.plugin_config]\n"
    "  #     name = \"my-autoscaling-group\"\n"
    "  #   [runners.autoscaler.connector_config]\n"
    "  #     username = \"ec2-user\"\n"
    "  #   [[runners.autoscaler.policy]]\n"
    "  #     idle_count = 1\n"
    "  #     idle_time = \"20m0s\"\n";

static int read_template(const char *file, struct buf *entry, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    autoentries struct entries entries = { 0 };
    int r = fs_read_file(AT_FDCWD, file, TEMPLATE_MAX, &text, err);

    if (r == 0)
        r = entries_read(&text, file, &entries, err);
    if (r == 0 && entries.n != 1)
        r = error_set(err, -EINVAL,
                      "%s: configuration template must contain exactly one [[runners]] entry",
                      file);
    return r < 0 ? r : edit_extract_runner(&text, file, 0, entry, err);
}

static int take_unless_said(char **option, const char *value)
{
    if (*option || str_empty(value))
        return 0;
    *option = mem_strdup(value);
    return *option ? 0 : -ENOMEM;
}

int register_read_template(struct register_options *options, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    autoentries struct entries entries = { 0 };
    int r;

    if (!options->template_config)
        return 0;
    r = read_template(options->template_config, &text, err);
    if (r == 0)
        r = entries_read(&text, options->template_config, &entries, err);
    if (r == 0 && (take_unless_said(&options->url, entries.items[0].url) < 0 ||
                   take_unless_said(&options->name, entries.items[0].name) < 0 ||
                   take_unless_said(&options->executor, entries.items[0].executor) < 0))
        r = error_set(err, -ENOMEM, "out of memory");
    return r;
}

static int set(struct buf *entry, const char *key, const char *value, struct error *err)
{
    autobuf struct buf former = *entry;

    *entry = BUF_SECRET;
    return edit_set(&former, "the new entry", 0, key, value, entry, err);
}

static int set_text(struct buf *entry, const char *key, const char *text, struct error *err)
{
    autobuf struct buf value = BUF_SECRET;

    if (str_empty(text))
        return 0;
    toml_quote(&value, text);
    return set(entry, key, buf_str(&value), err);
}

static int set_number(struct buf *entry, const char *key, int64_t number, struct error *err)
{
    autobuf struct buf value = BUF_INIT;

    buf_addf(&value, "%" PRId64, number);
    return number > 0 ? set(entry, key, buf_str(&value), err) : 0;
}

static int set_time(struct buf *entry, const char *key, int64_t ms, struct error *err)
{
    autobuf struct buf value = BUF_INIT;

    edit_add_time(&value, ms);
    return set(entry, key, buf_str(&value), err);
}

static int set_identity(const struct register_options *options,
                        const struct register_result *result, struct buf *entry, struct error *err)
{
    int r = set_text(entry, "name", options->name, err);

    if (r == 0)
        r = set_text(entry, "url", options->url, err);
    if (r == 0)
        r = set_number(entry, "id", result->id, err);
    if (r == 0)
        r = set_text(entry, "token", result->token, err);
    if (r == 0)
        r = set_time(entry, "token_obtained_at", result->obtained_ms, err);
    if (r == 0)
        r = set_time(entry, "token_expires_at", result->expires_ms, err);
    return r == 0 ? set_text(entry, "executor", options->executor, err) : r;
}

static int set_others(const struct register_options *options, struct buf *entry, struct error *err)
{
    const struct {
        const char *key, *text;
        int64_t number;
    } rows[] = {
        { "limit", NULL, options->limit },
        { "request_concurrency", NULL, options->request_concurrency },
        { "output_limit", NULL, options->output_limit },
        { "shell", options->shell, 0 },
        { "builds_dir", options->builds_dir, 0 },
        { "cache_dir", options->cache_dir, 0 },
        { "clone_url", options->clone_url, 0 },
        { "tls-ca-file", options->tls_ca_file, 0 },
        { "tls-cert-file", options->tls_cert_file, 0 },
        { "tls-key-file", options->tls_key_file, 0 },
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++) {
        r = set_number(entry, rows[i].key, rows[i].number, err);
        if (r == 0)
            r = set_text(entry, rows[i].key, rows[i].text, err);
    }
    return r;
}

/* A template's token is another runner's. */
static int begin_entry(const char *template, struct buf *entry, struct error *err)
{
    autobuf struct buf text = BUF_SECRET, without_file = BUF_SECRET;
    int r;

    if (!template) {
        buf_add_str(entry, "[[runners]]\n");
        return 0;
    }
    r = read_template(template, &text, err);
    if (r == 0)
        r = edit_unset(&text, template, 0, "token_file", &without_file, err);
    return r < 0 ? r : edit_unset(&without_file, template, 0, "token", entry, err);
}

static int make_entry(const struct register_options *options, const struct register_result *result,
                      struct buf *entry, struct error *err)
{
    int r = begin_entry(options->template_config, entry, err);

    if (r == 0)
        r = set_identity(options, result, entry, err);
    if (r == 0)
        r = set_others(options, entry, err);
    if (r == 0 && !options->template_config)
        buf_add_str(entry, sketch);
    return r;
}

struct addition {
    const char *config;
    const struct buf *entry;
};

static int add_entry(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    const struct addition *addition = arg;
    autobuf struct buf first = BUF_INIT;

    buf_add_str(&first, beginning);
    return edit_add_runner(text->len == 0 ? &first : text, addition->config,
                           buf_str(addition->entry), ret, err);
}

int register_write(const struct register_options *options, const struct register_result *result,
                   struct error *err)
{
    const char *config = options->runners.config;
    autobuf struct buf entry = BUF_SECRET;
    struct addition addition = { config, &entry };
    int r = make_entry(options, result, &entry, err);

    return r < 0 ? r : edit_file(config, RUNNERS_EDIT_WAIT_MS, add_entry, &addition, err);
}
