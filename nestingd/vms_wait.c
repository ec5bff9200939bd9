/* nestingd/vms_wait.c - how calls wait for each other, and for room (vms_parts.h). */
#include "core/base/str.h"
#include "nestingd/vms_parts.h"

#define LOG_TOPIC "vms"
#include "core/base/log.h"

#define RECHECK_MS 5000 /* how often it is looked who has room and is gone, while somebody waits */

static void on_held(struct claim *claim)
{
    turn_give(&((struct waiting_claim *) claim)->turn);
}

void vms_drop(struct vms *vms, struct claim *claim)
{
    (void) pthread_mutex_lock(&vms->lock);
    claims_drop(&vms->claims, claim);
    (void) pthread_mutex_unlock(&vms->lock);
}

/* Who gives a turn does so under the lock, and may not be through with it when it is noticed. */
static void close_turn(struct vms *vms, struct turn *turn)
{
    (void) pthread_mutex_lock(&vms->lock);
    turn_close(turn);
    (void) pthread_mutex_unlock(&vms->lock);
}

int vms_claim(struct vms *vms, const struct call *call, struct waiting_claim *waiting,
              struct error *err)
{
    bool is_held;
    int r = turn_open(&waiting->turn, err);

    if (r < 0)
        return r;
    waiting->claim.on_held = on_held;
    (void) pthread_mutex_lock(&vms->lock);
    claims_ask(&vms->claims, &waiting->claim);
    is_held = waiting->claim.is_held;
    (void) pthread_mutex_unlock(&vms->lock);
    r = is_held ? 1 : turn_wait(&waiting->turn, call, -1, err);
    if (r < 0)
        vms_drop(vms, &waiting->claim);
    close_turn(vms, &waiting->turn);
    return MIN(r, 0);
}

int vms_claim_vm(struct vms *vms, const struct call *call, const char *id,
                 struct waiting_claim *waiting, struct error *err)
{
    (void) str_copy(waiting->claim.key, sizeof(waiting->claim.key), id);
    return vms_claim(vms, call, waiting, err);
}

void vms_free_room(struct vms *vms, struct record *record)
{
    if (!record->is_gone)
        room_give(&vms->room, &record->need);
    record->is_gone = true;
}

struct waiting_room {
    struct room_asker asker;
    struct turn turn;
};

static void on_room(struct room_asker *asker)
{
    turn_give(&((struct waiting_room *) asker)->turn);
}

static int wait_for_room(struct vms *vms, const struct call *call, const char *image,
                         const struct waiting_room *waiting, struct error *err)
{
    int r = 0;

    log_info("a VM of image %s waits for room on this host", image);
    while (r == 0) {
        struct error ignored;

        (void) vms_recheck(vms, call, vms_see, &ignored);
        r = turn_wait(&waiting->turn, call, RECHECK_MS, err);
    }
    return MIN(r, 0);
}

static void give_up_room(struct vms *vms, struct room_asker *asker)
{
    (void) pthread_mutex_lock(&vms->lock);
    if (asker->has_room)
        room_give(&vms->room, &asker->need);
    else
        room_leave(&vms->room, asker);
    (void) pthread_mutex_unlock(&vms->lock);
}

int vms_take_room(struct vms *vms, const struct call *call, const char *image,
                  const struct need *need, struct error *err)
{
    struct waiting_room waiting = { .asker = { .need = *need, .on_room = on_room } };
    bool has_room;
    int r = turn_open(&waiting.turn, err);

    if (r < 0)
        return r;
    (void) pthread_mutex_lock(&vms->lock);
    r = room_check(&vms->room.limits, image, need, err);
    if (r == 0)
        room_ask(&vms->room, &waiting.asker);
    has_room = r < 0 || waiting.asker.has_room;
    (void) pthread_mutex_unlock(&vms->lock);
    if (!has_room) {
        r = wait_for_room(vms, call, image, &waiting, err);
        if (r < 0)
            give_up_room(vms, &waiting.asker);
    }
    close_turn(vms, &waiting.turn);
    return r;
}
