/* core/web/changes.c - keys in a tree of libc's, each with a hash of its value (changes.h). */
#include "core/web/changes.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"

struct thing {
    const char *key; /* behind the struct; of one that is looked for, elsewhere */
    struct thing *next;
    uint64_t hash;
    unsigned round; /* the last one in which it was put */
};

struct web_changes {
    void *tree;
    struct thing *things;
    unsigned round;
    bool whole_wanted, failed;
    struct buf set, gone, whole;
};

struct web_changes *web_changes_new(void)
{
    return mem_zero(sizeof(struct web_changes));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct thing *) a)->key, ((const struct thing *) b)->key);
}

static void keep(void *node)
{
    (void) node; /* `things` has it */
}

static void forget_all(struct web_changes *changes)
{
    tdestroy(changes->tree, keep);
    changes->tree = NULL;
    for (struct thing *thing = changes->things, *next; thing; thing = next) {
        next = thing->next;
        free(thing);
    }
    changes->things = NULL;
}

void web_changes_free(struct web_changes *changes)
{
    if (!changes)
        return;
    forget_all(changes);
    buf_done(&changes->set);
    buf_done(&changes->gone);
    buf_done(&changes->whole);
    free(changes);
}

void web_changes_begin(struct web_changes *changes, bool whole)
{
    changes->round++;
    changes->whole_wanted = whole;
    changes->failed = false;
    buf_clear(&changes->set);
    buf_clear(&changes->gone);
    buf_done(&changes->whole); /* seldom wanted, and large */
}

/* FNV-1a. */
static uint64_t hash_of(const struct buf *value)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < value->len; i++)
        hash = (hash ^ (unsigned char) value->data[i]) * 0x100000001b3;
    return hash;
}

/* NULL: no memory. */
static struct thing *find_or_add(struct web_changes *changes, const char *key)
{
    const struct thing wanted = { .key = key };
    struct thing **found = tfind(&wanted, &changes->tree, compare), *thing;
    size_t size = strlen(key) + 1;

    if (found)
        return *found;
    thing = mem_zero(sizeof(*thing) + size);
    if (!thing)
        return NULL;
    thing->key = memcpy(thing + 1, key, size);
    if (!tsearch(thing, &changes->tree, compare)) {
        free(thing);
        return NULL;
    }
    thing->next = changes->things;
    changes->things = thing;
    return thing;
}

static void add_pair(struct buf *out, const char *key, const struct buf *value)
{
    json_quote(out, key, strlen(key));
    buf_add_char(out, ':');
    buf_add(out, value->data, value->len);
    buf_add_char(out, ',');
}

void web_changes_put(struct web_changes *changes, const char *key, const struct buf *value)
{
    struct thing *thing = buf_error(value) == 0 ? find_or_add(changes, key) : NULL;
    uint64_t hash = hash_of(value);

    if (!thing) {
        changes->failed = true;
        return;
    }
    if (thing->round == 0 || thing->hash != hash)
        add_pair(&changes->set, key, value);
    thing->hash = hash;
    thing->round = changes->round;
    if (changes->whole_wanted)
        add_pair(&changes->whole, key, value);
}

static void sweep(struct web_changes *changes)
{
    for (struct thing **at = &changes->things; *at;) {
        struct thing *thing = *at;

        if (thing->round == changes->round) {
            at = &thing->next;
            continue;
        }
        json_quote(&changes->gone, thing->key, strlen(thing->key));
        buf_add_char(&changes->gone, ',');
        *at = thing->next;
        (void) tdelete(thing, &changes->tree, compare);
        free(thing);
    }
}

/* Every piece has a comma behind it. */
static void end_piece(struct buf *piece)
{
    if (buf_error(piece) == 0 && piece->len > 0)
        piece->data[--piece->len] = '\0';
}

int web_changes_end(struct web_changes *changes)
{
    sweep(changes);
    end_piece(&changes->set);
    end_piece(&changes->gone);
    end_piece(&changes->whole);
    if (changes->failed || buf_error(&changes->set) != 0 || buf_error(&changes->gone) != 0 ||
        buf_error(&changes->whole) != 0) {
        forget_all(changes);
        return -ENOMEM;
    }
    return changes->set.len + changes->gone.len > 0;
}

const struct buf *web_changes_set(const struct web_changes *changes)
{
    return &changes->set;
}

const struct buf *web_changes_gone(const struct web_changes *changes)
{
    return &changes->gone;
}

const struct buf *web_changes_whole(const struct web_changes *changes)
{
    return &changes->whole;
}
