/* core/cli/simulate_replay.c - `flotilla simulate --replay`: has the fleets of a ledger decide again what
 * the manager decided, from what it was told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/ask.h"
#include "core/cli/control_client.h"
#include "core/cli/simulate.h"
#include "core/fleet/replay.h"
#include "core/store/journal.h"

/* One group of the ledger. */
struct played {
    int64_t id;
    char *key;
    struct replay *replay;
    bool differs;
    struct error err; /* of the first line that differs */
    uint64_t line;
};

struct playing {
    struct played *groups; /* as they come, each one's lines together */
    size_t n;
    int error;
};

static struct played *group_of(struct playing *playing, int64_t id, const char *key)
{
    struct played *grown, *group;

    if (playing->n > 0 && playing->groups[playing->n - 1].id == id)
        return &playing->groups[playing->n - 1];
    grown = mem_resize(playing->groups, playing->n + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    playing->groups = grown;
    group = &grown[playing->n];
    *group = (struct played) { .id = id, .key = mem_strdup(key) };
    if (!group->key || replay_new(&group->replay) < 0) {
        free(group->key);
        return NULL;
    }
    playing->n++;
    return group;
}

static void take_line(void *arg, int64_t id, const char *key, const char *line)
{
    struct playing *playing = arg;
    struct played *group = playing->error == 0 ? group_of(playing, id, key) : NULL;
    uint64_t decisions;
    int r;

    if (!group) {
        playing->error = -ENOMEM;
        return;
    }
    if (group->differs)
        return;
    r = replay_line(group->replay, line, &group->err);
    group->differs = r < 0;
    replay_count(group->replay, &group->line, &decisions);
}

static void print_group(const struct played *group)
{
    autobuf struct buf text = BUF_INIT;
    uint64_t lines, decisions;

    replay_count(group->replay, &lines, &decisions);
    if (group->differs)
        buf_addf(&text, "%s: line %" PRIu64 ": %s", group->key, group->line, group->err.message);
    else
        buf_addf(&text, "%s: %" PRIu64 " lines, %" PRIu64 " decisions, all as recorded", group->key,
                 lines, decisions);
    ask_print_line(buf_str(&text));
}

static json_t *describe_group(const struct played *group)
{
    json_t *obj = json_object_new_object();
    uint64_t lines, decisions;

    replay_count(group->replay, &lines, &decisions);
    (void) json_add_str(obj, "group", group->key);
    (void) json_add_i64(obj, "lines", (int64_t) lines);
    (void) json_add_i64(obj, "decisions", (int64_t) decisions);
    (void) json_add_bool(obj, "same", !group->differs);
    if (group->differs)
        (void) json_add_str(obj, "difference", group->err.message);
    return obj;
}

static void print_all(const struct playing *playing, bool as_json)
{
    autojson json_t *document = as_json ? json_object_new_object() : NULL;
    json_t *groups = as_json ? json_object_new_array() : NULL;

    for (size_t i = 0; i < playing->n; i++)
        if (groups)
            (void) json_object_array_add(groups, describe_group(&playing->groups[i]));
        else
            print_group(&playing->groups[i]);
    if (!document || !groups)
        return;
    (void) json_add(document, "groups", groups);
    (void) printf("%s\n", json_text(document));
}

int simulate_replay(const struct simulate_options *options)
{
    struct error err = { 0 };
    autofree char *dir = control_state_dir(options->state_dir, options->configs[0], &err);
    struct playing playing = { 0 };
    bool differs = false;
    int r = dir ? journal_each(dir, take_line, &playing, &err) : -EINVAL;

    if (r == 0 && playing.error < 0)
        r = error_set(&err, playing.error, "out of memory");
    if (r == 0 && playing.n == 0)
        r = error_set(&err, -ENOENT, "the ledger of %s has no decisions yet", dir);
    if (r < 0)
        cli_say("error: %s", err.message);
    else
        print_all(&playing, options->json);
    for (size_t i = 0; i < playing.n; i++) {
        differs |= playing.groups[i].differs;
        replay_free(playing.groups[i].replay);
        free(playing.groups[i].key);
    }
    free(playing.groups);
    return r < 0 ? 1 : differs ? 3 : 0;
}
