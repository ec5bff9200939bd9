/* core/job/probe_vms.c - see the header: list, remove what no job claims, list again. */
#include "core/job/probe_vms.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* What is found on the instance, and what is to stay there. */
struct look {
    struct isolation *isolation;
    const struct isolation_wait *wait;
    json_t *keep;
    struct isolation_vms *vms;
};

static bool is_kept(const struct look *look, const char *id)
{
    for (size_t i = 0; look->keep && i < json_object_array_length(look->keep); i++) {
        const char *kept = json_object_get_string(json_object_array_get_idx(look->keep, i));

        if (kept && str_eq(kept, id))
            return true;
    }
    return false;
}

static int list(struct look *look, struct error *err)
{
    int r = isolation_list(look->isolation, look->wait, look->vms, err);

    return r < 0 ? error_wrap(err, r, "listing the instance's VMs") : 0;
}

static int remove_others(const struct look *look, void (*on_removed)(void *arg, const char *id),
                         void *arg, struct error *err)
{
    for (size_t i = 0; i < look->vms->n; i++) {
        const char *id = look->vms->items[i].id;
        int r = is_kept(look, id) ? 1 : isolation_remove(look->isolation, look->wait, id, err);

        if (r < 0)
            return error_wrap(err, r, "removing VM %s", id);
        if (r == 0)
            on_removed(arg, id);
    }
    return 0;
}

static int look_again(struct look *look, struct error *err)
{
    int r = list(look, err);

    for (size_t i = 0; r == 0 && i < look->vms->n; i++)
        if (!is_kept(look, look->vms->items[i].id))
            r = error_set(err, -EREMOTEIO, "VM %s is there again after its removal",
                          look->vms->items[i].id);
    return r;
}

int probe_vms_clean(struct isolation *isolation, struct remote *remote, json_t *settings,
                    const struct isolation_wait *wait,
                    void (*on_removed)(void *arg, const char *id), void *arg, struct error *err)
{
    struct isolation_wait through = *wait;
    struct look look = { .isolation = isolation,
                         .wait = &through,
                         .vms = mem_zero(sizeof(*look.vms)) };
    struct relay *relay = NULL;
    int r = look.vms ? remote_relay(remote, &relay, err) : error_set(err, -ENOMEM, "out of memory");

    if (!relay)
        remote_close(remote);
    through.watch.relay = relay;
    (void) json_opt_array(settings, "keep", &look.keep, NULL);
    if (r == 0)
        r = list(&look, err);
    if (r == 0)
        r = remove_others(&look, on_removed, arg, err);
    if (r == 0 && look.vms->n > 0)
        r = look_again(&look, err);
    relay_free(relay);
    free(look.vms);
    return r < 0 && !remote_was_stopped(r) ? error_set(err, -EREMOTEIO, "%s", err->message) : r;
}
