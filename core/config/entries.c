/* core/config/entries.c - see entries.h. */
#include "core/config/entries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/secret_file.h"
#include "core/config/toml_change.h"

#define FILE_MAX ((size_t) 4 * 1024 * 1024)
#define TOKEN_FILE_MAX ((size_t) 4096)

/* "" where there is none. */
static const char *text_of(const struct toml_value *table, const char *key)
{
    const struct toml_value *value = toml_find_any_case(table, key);

    return value && value->type == TOML_STRING ? value->text : "";
}

static int read_token_file(struct entry *entry, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    size_t len;
    int r = fs_read_file(AT_FDCWD, entry->token_file, TOKEN_FILE_MAX, &text, err);

    len = strcspn(buf_str(&text), " \t\r\n");
    if (r == 0 && len == 0)
        r = error_set(err, -EINVAL, "%s is empty", entry->token_file);
    if (r < 0)
        return error_wrap(err, r, "[[runners]] 'token_file'");
    entry->token = secret_new(buf_str(&text), len);
    return 0;
}

/* Where there is none, the entry says why; negative for want of memory alone. */
static int read_token(const struct toml_value *table, const char *file, struct entry *entry)
{
    const char *token = text_of(table, "token");
    struct error err = { 0 };
    int r = 0;

    if (*entry->token_file)
        r = read_token_file(entry, &err);
    else if (*token)
        entry->token = secret_from_str(token);
    else
        r = error_set(&err, -EINVAL, "[[runners]] has no 'token'");
    if (r < 0) {
        entry->fault = mem_printf("%s:%d: %s", file, table->place.line, err.message);
        entry->token = secret_from_str("");
    }
    return entry->token && (r == 0 || entry->fault) ? 0 : -ENOMEM;
}

static int read_entry(const struct toml_value *table, const char *file, struct entry *entry,
                      struct error *err)
{
    const struct toml_value *id = toml_find_any_case(table, "id");

    entry->name = mem_strdup(text_of(table, "name"));
    entry->url = mem_strdup(text_of(table, "url"));
    entry->executor = mem_strdup(text_of(table, "executor"));
    entry->tls_ca_file = mem_strdup(text_of(table, "tls-ca-file"));
    entry->tls_cert_file = mem_strdup(text_of(table, "tls-cert-file"));
    entry->tls_key_file = mem_strdup(text_of(table, "tls-key-file"));
    entry->token_file = credentials_path(text_of(table, "token_file"));
    entry->id = id && id->type == TOML_INTEGER ? id->integer : 0;
    if (!entry->name || !entry->url || !entry->executor || !entry->tls_ca_file ||
        !entry->tls_cert_file || !entry->tls_key_file || !entry->token_file ||
        read_token(table, file, entry) < 0)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    return 0;
}

int entries_read(const struct buf *text, const char *file, struct entries *ret, struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    const struct toml_value *list;
    struct toml_place where;
    int r = toml_parse(buf_str(text), text->len, &root, &where, err);

    if (r < 0)
        return error_wrap(err, r, "%s:%d:%d", file, where.line, where.column);
    list = toml_find_any_case(root, "runners");
    if (!list || list->type != TOML_ARRAY)
        return 0;
    ret->items = mem_array(list->n_items + 1, sizeof(*ret->items));
    if (!ret->items)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    for (size_t i = 0; i < list->n_items && r == 0; i++) {
        if (list->items[i].type != TOML_TABLE)
            return error_set(err, -EINVAL, "%s: 'runners' holds what is no table", file);
        r = read_entry(&list->items[i], file, &ret->items[ret->n++], err);
    }
    return r;
}

int entries_load(const char *file, struct entries *ret, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    bool readable;
    int r = fs_read_file(AT_FDCWD, file, FILE_MAX, &text, err);

    if (r == 0 && fs_check_private_file(file, &readable, err) < 0)
        r = error_wrap(err, -EACCES, "others decide what is in the file");
    return r < 0 ? r : entries_read(&text, file, ret, err);
}

void entries_done(struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = &entries->items[i];

        free(entry->name);
        free(entry->url);
        free(entry->executor);
        free(entry->tls_ca_file);
        free(entry->tls_cert_file);
        free(entry->tls_key_file);
        free(entry->token_file);
        free(entry->fault);
        secret_free(entry->token);
    }
    free(entries->items);
    *entries = (struct entries) { 0 };
}

/* As the manager takes them: it cuts the slashes at the end. */
static bool same_url(const char *a, const char *b)
{
    size_t len_a = strlen(a), len_b = strlen(b);

    while (len_a > 0 && a[len_a - 1] == '/')
        len_a--;
    while (len_b > 0 && b[len_b - 1] == '/')
        len_b--;
    return len_a == len_b && memcmp(a, b, len_a) == 0;
}

bool entry_is(const struct entry *entry, const char *url, const char *token)
{
    return same_url(entry->url, url) && str_eq(secret_reveal(entry->token), token);
}

int entries_find(const struct buf *text, const char *file, const char *url, const char *token,
                 size_t *ret, struct error *err)
{
    autoentries struct entries entries = { 0 };
    int r = entries_read(text, file, &entries, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < entries.n; i++)
        if (entry_is(&entries.items[i], url, token)) {
            *ret = i;
            return 0;
        }
    return error_set(err, -ENOENT, "%s: the runner's [[runners]] entry is not there any more",
                     file);
}
