/* core/config/edit_token.c - see edit_token.h. */
#include "core/config/edit_token.h"

#include "core/base/str.h"
#include "core/config/edit.h"
#include "core/config/edit_file.h"
#include "core/config/entries.h"
#include "core/config/toml_change.h"

void edit_add_time(struct buf *out, int64_t wall_ms)
{
    if (wall_ms > 0)
        format_utc(out, wall_ms);
    else
        buf_add_str(out, "0001-01-01T00:00:00Z");
}

struct work {
    const struct edit_token *change;
    struct entries entries; /* as they were */
};

/* In its place. */
static int set(const struct edit_token *change, size_t at, const char *key, const struct buf *value,
               struct buf *text, struct error *err)
{
    autobuf struct buf former = *text;

    *text = BUF_SECRET;
    return edit_set(&former, change->config, at, key, buf_str(value), text, err);
}

static int set_entry(const struct edit_token *change, const struct entry *entry, size_t at,
                     struct buf *text, struct error *err)
{
    autobuf struct buf token = BUF_SECRET, obtained = BUF_INIT, expires = BUF_INIT;
    int r = 0;

    toml_quote(&token, change->token);
    edit_add_time(&obtained, change->obtained_ms);
    edit_add_time(&expires, change->expires_ms);
    if (!*entry->token_file)
        r = set(change, at, "token", &token, text, err);
    if (r == 0)
        r = set(change, at, "token_obtained_at", &obtained, text, err);
    return r < 0 ? r : set(change, at, "token_expires_at", &expires, text, err);
}

static int set_entries(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    struct work *work = arg;
    const struct edit_token *change = work->change;
    size_t at = 0;
    int r = entries_find(text, change->config, change->url, change->former, &at, err);

    if (r == 0)
        r = entries_read(text, change->config, &work->entries, err);
    buf_add(ret, buf_str(text), text->len);
    for (; at < work->entries.n && r == 0; at++)
        if (entry_is(&work->entries.items[at], change->url, change->former))
            r = set_entry(change, &work->entries.items[at], at, ret, err);
    return r;
}

static int set_file(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    const struct work *work = arg;

    (void) text;
    (void) err;
    buf_addf(ret, "%s\n", work->change->token);
    return 0;
}

typedef int (*edit_fn)(const char *file, int wait_ms, edit_file_fn fn, void *arg,
                       struct error *err);

/* First the times in the configuration: a manager that dies behind them finds the former token, and knows what it has
 * to do. */
static int change_all(const struct edit_token *change, int wait_ms, edit_fn edit, struct error *err)
{
    struct work work = { .change = change };
    int r = edit(change->config, wait_ms, set_entries, &work, err);

    for (size_t i = 0; i < work.entries.n && r == 0; i++) {
        const struct entry *entry = &work.entries.items[i];

        if (!*entry->token_file || !entry_is(entry, change->url, change->former))
            continue;
        r = edit(entry->token_file, wait_ms, set_file, &work, err);
        if (r < 0)
            r = error_wrap(err, r,
                           "the token of '%s' is in its token_file, where no other can be put "
                           "(take one at GitLab and put it there)",
                           entry->name);
    }
    entries_done(&work.entries);
    return r;
}

int edit_token(const struct edit_token *change, int wait_ms, struct error *err)
{
    return change_all(change, wait_ms, edit_file, err);
}

int edit_token_check(const struct edit_token *change, int wait_ms, struct error *err)
{
    struct edit_token copy = {
        .config = change->config, .url = change->url, .former = change->former, .token = "none"
    };

    return change_all(&copy, wait_ms, edit_file_check, err);
}
