/* core/config/edit_token.c - see edit_token.h. */
#include "core/config/edit_token.h"

#include <errno.h>

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

static int set_times(const struct edit_token *change, size_t at, const struct buf *text,
                     struct buf *ret, struct error *err)
{
    autobuf struct buf obtained = BUF_INIT, expires = BUF_INIT, half = BUF_SECRET;
    int r;

    edit_add_time(&obtained, change->obtained_ms);
    edit_add_time(&expires, change->expires_ms);
    r = edit_set(text, change->config, at, "token_obtained_at", buf_str(&obtained), &half, err);
    return r < 0 ? r
                 : edit_set(&half, change->config, at, "token_expires_at", buf_str(&expires), ret,
                            err);
}

static int find_entry(const struct edit_token *change, const struct buf *text, size_t *ret,
                      struct error *err)
{
    autoentries struct entries entries = { 0 };
    int r = entries_find(text, change->config, change->url, change->former, ret, err);

    if (r == 0)
        r = entries_read(text, change->config, &entries, err);
    if (r == 0 && entries.items[*ret].has_token_file)
        r = error_set(
            err, -ENOTSUP,
            "the token of '%s' is in its token_file, which flotilla does not write; take a "
            "new one at GitLab and put it there",
            entries.items[*ret].name);
    return r;
}

static int set_token(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    const struct edit_token *change = arg;
    autobuf struct buf token = BUF_SECRET, half = BUF_SECRET;
    size_t at = 0;
    int r = find_entry(change, text, &at, err);

    if (r < 0)
        return r;
    toml_quote(&token, change->token);
    r = edit_set(text, change->config, at, "token", buf_str(&token), &half, err);
    return r < 0 ? r : set_times(change, at, &half, ret, err);
}

int edit_token(const struct edit_token *change, int wait_ms, struct error *err)
{
    struct edit_token copy = *change;

    return edit_file(change->config, wait_ms, set_token, &copy, err);
}

int edit_token_check(const struct edit_token *change, int wait_ms, struct error *err)
{
    struct edit_token copy = {
        .config = change->config, .url = change->url, .former = change->former, .token = "none"
    };

    return edit_file_check(change->config, wait_ms, set_token, &copy, err);
}
