/* core/web/events.c - rounds, the events that they give, and the watchers (events.h).
 *
 * The last events are kept, up to a limit: a watcher has a number, that of the event it gets next. When that is not
 * kept any more, it waits for a snapshot, which the next round makes for all that wait.
 */
#include "core/web/events.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/changes.h"

#define ROUND_EVERY_MS 900
#define SNAPSHOT_EVERY_MS 200 /* watchers that come together share one */
#define KEEP_MS 60000         /* what was told, for the last watcher to come back */
#define ALIVE_EVERY_MS 15000  /* a comment: proxies and browsers see that we are there */
#define KEPT_MAX 256
#define KEPT_BYTES_MAX (512 * 1024)
#define PIECE_MAX 32768

struct event {
    unsigned refs;
    uint64_t number;
    size_t len;
    char data[];
};

struct watcher {
    struct web_events *events;
    struct watcher *next;
    struct web_request *request;
    struct event *event; /* that is being sent, from `sent` on; NULL = it has all so far */
    size_t sent;
    uint64_t number; /* of the one behind it */
    bool wants_snapshot;
};

struct web_events {
    web_events_fill_fn fill;
    void *arg;
    const struct rng *rng;
    struct web_changes *changes;  /* NULL: nobody has watched lately */
    char run[17];                 /* in front of the numbers: which row of them */
    uint64_t number;              /* of the last event */
    struct event *kept[KEPT_MAX]; /* by their number */
    size_t n_kept, kept_bytes;
    struct watcher *watchers;
    int64_t round_mono, alive_mono, left_mono;
};

struct web_events *web_events_new(web_events_fill_fn fill, void *arg, const struct rng *rng)
{
    struct web_events *events = mem_zero(sizeof(*events));

    if (!events)
        return NULL;
    events->fill = fill;
    events->arg = arg;
    events->rng = rng;
    return events;
}

static void unref(struct event *event)
{
    if (event && --event->refs == 0)
        free(event);
}

static void drop_oldest(struct web_events *events)
{
    struct event **slot = &events->kept[(events->number - events->n_kept + 1) % KEPT_MAX];

    events->n_kept--;
    if (!*slot)
        return;
    events->kept_bytes -= (*slot)->len;
    unref(*slot);
    *slot = NULL;
}

static void forget(struct web_events *events)
{
    while (events->n_kept > 0)
        drop_oldest(events);
    web_changes_free(events->changes);
    events->changes = NULL;
}

void web_events_free(struct web_events *events)
{
    if (!events)
        return;
    forget(events);
    free(events);
}

void web_events_put(struct web_events *events, const char *key, const struct buf *value)
{
    web_changes_put(events->changes, key, value);
}

/* NULL: no memory. */
static struct event *event_new(const struct web_events *events, const char *name, uint64_t number,
                               int64_t wall_ms, const struct buf *set, const struct buf *gone)
{
    autobuf struct buf text = BUF_INIT;
    struct event *event;

    buf_addf(&text, "id: %s-%" PRIu64 "\nevent: %s\ndata: {\"now\":%" PRId64 ",\"set\":{",
             events->run, number, name, wall_ms);
    buf_add(&text, set->data, set->len);
    buf_add_str(&text, "},\"gone\":[");
    buf_add(&text, gone->data, gone->len);
    buf_add_str(&text, "]}\n\n");
    if (buf_error(&text) != 0)
        return NULL;
    event = mem_alloc(sizeof(*event) + text.len);
    if (!event)
        return NULL;
    *event = (struct event) { .refs = 1, .number = number, .len = text.len };
    memcpy(event->data, text.data, text.len);
    return event;
}

/* The newest stays, however large it is. */
static void keep(struct web_events *events, struct event *event)
{
    events->kept[event->number % KEPT_MAX] = event;
    events->n_kept++;
    events->kept_bytes += event->len;
    while (events->n_kept == KEPT_MAX ||
           (events->n_kept > 1 && events->kept_bytes > KEPT_BYTES_MAX))
        drop_oldest(events);
}

static struct event *find_kept(const struct web_events *events, uint64_t number)
{
    return number <= events->number && events->number - number < events->n_kept
               ? events->kept[number % KEPT_MAX]
               : NULL;
}

/* The next event for one that has sent its own; false: there is none. */
static bool go_on(struct watcher *watcher)
{
    struct web_events *events = watcher->events;
    struct event *event;

    if (watcher->wants_snapshot || watcher->number > events->number)
        return false;
    event = find_kept(events, watcher->number);
    watcher->wants_snapshot = !event;
    if (!event)
        return false;
    event->refs++;
    watcher->event = event;
    watcher->number++;
    return true;
}

static void drop_event(struct watcher *watcher)
{
    unref(watcher->event);
    watcher->event = NULL;
    watcher->sent = 0;
}

/* Only what its client takes is copied for it, a piece at a time. */
static void push(struct watcher *watcher)
{
    size_t n;

    if (web_room(watcher->request) < WEB_ROOM_MAX || (!watcher->event && !go_on(watcher)))
        return;
    n = MIN(watcher->event->len - watcher->sent, (size_t) PIECE_MAX);
    if (web_send(watcher->request, watcher->event->data + watcher->sent, n) == 0)
        watcher->sent += n;
    if (watcher->sent == watcher->event->len)
        drop_event(watcher);
}

static void give_snapshot(struct web_events *events, int64_t wall_ms)
{
    const struct buf none = BUF_INIT;
    struct event *event = event_new(events, "snapshot", events->number, wall_ms,
                                    web_changes_whole(events->changes), &none);

    for (struct watcher *watcher = events->watchers; event && watcher; watcher = watcher->next)
        if (watcher->wants_snapshot && !watcher->event) {
            event->refs++;
            watcher->event = event;
            watcher->number = events->number + 1;
            watcher->wants_snapshot = false;
        }
    unref(event);
}

/* What was told before cannot be gone on from. */
static void begin_anew(struct web_events *events)
{
    while (events->n_kept > 0)
        drop_oldest(events);
    rng_hex(events->rng, events->run, (sizeof(events->run) - 1) / 2);
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        watcher->wants_snapshot = true;
}

static int keep_change(struct web_events *events, int64_t wall_ms)
{
    struct event *event =
        event_new(events, "change", events->number + 1, wall_ms, web_changes_set(events->changes),
                  web_changes_gone(events->changes));

    if (!event)
        return -ENOMEM;
    events->number++;
    keep(events, event);
    return 0;
}

static bool is_wanted(const struct web_events *events)
{
    for (const struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        if (watcher->wants_snapshot && !watcher->event)
            return true;
    return false;
}

static void make_round(struct web_events *events, struct web_events_time now)
{
    bool whole = is_wanted(events);
    int r;

    events->round_mono = now.mono_ms;
    web_changes_begin(events->changes, whole);
    events->fill(events->arg, events);
    r = web_changes_end(events->changes);
    if (r > 0)
        r = keep_change(events, now.wall_ms);
    if (r < 0)
        begin_anew(events);
    else if (whole)
        give_snapshot(events, now.wall_ms);
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        push(watcher);
}

static void tell_alive(struct web_events *events, int64_t now_mono)
{
    static const char comment[] = ":\n\n";

    if (now_mono - events->alive_mono < ALIVE_EVERY_MS)
        return;
    events->alive_mono = now_mono;
    for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
        if (!watcher->event)
            (void) web_send(watcher->request, comment, sizeof(comment) - 1);
}

void web_events_turn(struct web_events *events, struct web_events_time now)
{
    if (!events->changes)
        return;
    if (!events->watchers) {
        if (now.mono_ms - events->left_mono >= KEEP_MS)
            forget(events);
        return;
    }
    if (now.mono_ms - events->round_mono >=
        (is_wanted(events) ? SNAPSHOT_EVERY_MS : ROUND_EVERY_MS))
        make_round(events, now);
    tell_alive(events, now.mono_ms);
}

static void on_room(void *arg, struct web_request *request)
{
    (void) request;
    push(arg);
}

static void on_gone(void *arg, struct web_request *request)
{
    struct watcher *watcher = arg;
    struct web_events *events = watcher->events;

    (void) request;
    for (struct watcher **at = &events->watchers; *at; at = &(*at)->next)
        if (*at == watcher) {
            *at = watcher->next;
            break;
        }
    events->left_mono = events->round_mono;
    drop_event(watcher);
    free(watcher);
}

/* The number behind the one that it has; 0: it has none of ours. */
static uint64_t number_of(const struct web_events *events, const struct web_request *request)
{
    size_t len = strlen(events->run);
    int64_t number;
    char id[64];

    if (!web_header(request, "last-event-id", id, sizeof(id)) &&
        !web_query(request, "after", id, sizeof(id)))
        return 0;
    if (strncmp(id, events->run, len) != 0 || id[len] != '-' ||
        parse_i64(id + len + 1, 0, INT64_MAX - 1, &number) < 0)
        return 0;
    return (uint64_t) number + 1;
}

/* Ready for rounds; false: no memory. */
static bool awake(struct web_events *events)
{
    if (events->changes)
        return true;
    events->changes = web_changes_new();
    events->number = 0;
    events->round_mono = 0;
    rng_hex(events->rng, events->run, (sizeof(events->run) - 1) / 2);
    return events->changes != NULL;
}

void web_events_watch(struct web_events *events, struct web_request *request,
                      struct web_events_time now)
{
    struct watcher *watcher = awake(events) ? mem_zero(sizeof(*watcher)) : NULL;

    if (!watcher) {
        web_answer_text(request, 503, "the manager is out of memory");
        return;
    }
    watcher->events = events;
    watcher->request = request;
    watcher->number = number_of(events, request);
    watcher->wants_snapshot = watcher->number == 0 || watcher->number > events->number + 1;
    if (!web_stream(request, "text/event-stream", on_room)) {
        free(watcher);
        return;
    }
    web_on_gone(request, on_gone, watcher);
    watcher->next = events->watchers;
    events->watchers = watcher;
    if (now.mono_ms - events->round_mono >= SNAPSHOT_EVERY_MS || events->round_mono == 0)
        make_round(events, now);
}
