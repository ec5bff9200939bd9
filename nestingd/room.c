/* nestingd/room.c - see room.h. */
#include "nestingd/room.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "core/base/str.h"
#include "nestingd/size.h"

enum { VMS_MOST = 10000, CPUS_MOST = 100000 };

static bool is_within(int64_t limit, int64_t used, int64_t more)
{
    return limit == 0 || more <= limit - MIN(used, limit);
}

static bool fits(const struct room *room, const struct need *need)
{
    const struct room_limits *limits = &room->limits;

    return is_within(limits->vms, room->vms, 1) &&
           is_within(limits->most.cpus, room->used.cpus, need->cpus) &&
           is_within(limits->most.memory_bytes, room->used.memory_bytes, need->memory_bytes) &&
           is_within(limits->most.disk_bytes, room->used.disk_bytes, need->disk_bytes);
}

static int refuse_size(const char *image, const char *what, const char *key, int64_t need,
                       int64_t most, struct error *err)
{
    autobuf struct buf needed = BUF_INIT;
    autobuf struct buf limit = BUF_INIT;

    size_add(&needed, need);
    size_add(&limit, most);
    return error_set(err, -EDQUOT,
                     "a VM of image %s takes %s of %s, and all VMs of this host may take %s: see "
                     "%s in the daemon's configuration",
                     image, buf_str(&needed), what, buf_str(&limit), key);
}

int room_check(const struct room_limits *limits, const char *image, const struct need *need,
               struct error *err)
{
    const struct need *most = &limits->most;

    if (!is_within(most->cpus, 0, need->cpus))
        return error_set(
            err, -EDQUOT,
            "a VM of image %s takes %u CPUs, and all VMs of this host may take %u: see "
            "max_cpus in the daemon's configuration",
            image, need->cpus, most->cpus);
    if (!is_within(most->memory_bytes, 0, need->memory_bytes))
        return refuse_size(image, "memory", "max_memory", need->memory_bytes, most->memory_bytes,
                           err);
    if (!is_within(most->disk_bytes, 0, need->disk_bytes))
        return refuse_size(image, "disk", "max_disk", need->disk_bytes, most->disk_bytes, err);
    return 0;
}

void room_take(struct room *room, const struct need *need)
{
    room->vms++;
    room->used.cpus += need->cpus;
    room->used.memory_bytes += need->memory_bytes;
    room->used.disk_bytes += need->disk_bytes;
}

/* From the front, as far as it goes. */
static void serve(struct room *room)
{
    while (room->first && fits(room, &room->first->need)) {
        struct room_asker *asker = room->first;

        room->first = asker->next;
        room_take(room, &asker->need);
        asker->has_room = true;
        asker->on_room(asker);
    }
}

void room_ask(struct room *room, struct room_asker *asker)
{
    struct room_asker **at = &room->first;

    while (*at)
        at = &(*at)->next;
    asker->next = NULL;
    asker->has_room = false;
    *at = asker;
    serve(room);
}

void room_leave(struct room *room, struct room_asker *asker)
{
    for (struct room_asker **at = &room->first; *at; at = &(*at)->next)
        if (*at == asker) {
            *at = asker->next;
            break;
        }
    serve(room); /* those behind it may fit */
}

void room_give(struct room *room, const struct need *need)
{
    room->vms--;
    room->used.cpus -= need->cpus;
    room->used.memory_bytes -= need->memory_bytes;
    room->used.disk_bytes -= need->disk_bytes;
    serve(room);
}

void room_set_limits(struct room *room, const struct room_limits *limits)
{
    room->limits = *limits;
    serve(room);
}

static int read_size(json_t *settings, const char *key, int64_t *ret, struct error *err)
{
    json_t *value = NULL;
    int r = 0;

    if (!json_object_object_get_ex(settings, key, &value) || !value)
        return 0;
    if (json_object_is_type(value, json_type_string))
        r = size_parse(json_object_get_string(value), ret);
    else
        return json_opt_i64(settings, key, 0, INT64_MAX, ret, err);
    return r < 0 ? error_set(err, -EINVAL,
                             "%s: must be a size, such as \"16GiB\", or 0 for no limit", key)
                 : 0;
}

bool room_limits_know(const char *key)
{
    static const char *const keys[] = { "max_vms", "max_cpus", "max_memory", "max_disk" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, keys[i]))
            return true;
    return false;
}

int room_limits_configure(struct room_limits *limits, const json_t *settings, struct error *err)
{
    json_t *object = (json_t *) (uintptr_t) settings;
    struct room_limits laid = *limits;
    int64_t vms = laid.vms, cpus = laid.most.cpus;
    int r = json_opt_i64(object, "max_vms", 0, VMS_MOST, &vms, err);

    if (r == 0)
        r = json_opt_i64(object, "max_cpus", 0, CPUS_MOST, &cpus, err);
    if (r == 0)
        r = read_size(object, "max_memory", &laid.most.memory_bytes, err);
    if (r == 0)
        r = read_size(object, "max_disk", &laid.most.disk_bytes, err);
    if (r < 0)
        return r;
    laid.vms = (unsigned) vms;
    laid.most.cpus = (unsigned) cpus;
    *limits = laid;
    return 0;
}
