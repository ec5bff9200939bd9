/* nestingd/qemu/freeze.c - see machine.h. Freezing is a migration into a file, thawing one out of it: memory and
 * devices; the disk is an overlay's of what the frozen one left. The descriptor of the file goes to QEMU, which may
 * start no program to read it.
 */
#include <errno.h>
#include <fcntl.h>

#include "core/base/str.h"
#include "nestingd/qemu/machine.h"

enum { STATUS_PAUSE_MS = 20 };
#define NO_LIMIT ((int64_t) 1 << 40) /* bytes a second; QEMU's default is for networks */

/* One command with one argument. */
static int ask_with(struct machine *machine, const struct call *call, const char *command,
                    const char *key, json_t *value, struct error *err)
{
    json_t *arguments = json_object_new_object();

    if (!arguments || !value || json_add(arguments, key, value) < 0) {
        json_object_put(arguments);
        return error_errno(err, -ENOMEM, "%s", command);
    }
    return qmp_ask(machine_monitor(machine), call, command, arguments, NULL, err);
}

static int give_state(struct machine *machine, const struct call *call, const char *state,
                      int flags, struct error *err)
{
    autoclose int fd = open(state, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return error_errno(err, -errno, "%s", state);
    return qmp_give_fd(machine_monitor(machine), call, "state", fd, err);
}

/* The `status` that a command answers with. */
static int ask_status(struct machine *machine, const struct call *call, const char *command,
                      char *ret, size_t size, struct error *err)
{
    autojson json_t *answer = NULL;
    const char *status = NULL;
    int r = qmp_ask(machine_monitor(machine), call, command, NULL, &answer, err);

    if (r == 0)
        r = json_need_str(answer, "status", &status, err);
    if (r == 0)
        (void) str_cut(ret, size, status);
    return r;
}

static int wait_until_written(struct machine *machine, const struct call *call, struct error *err)
{
    for (;;) {
        char status[32];
        int r = ask_status(machine, call, "query-migrate", status, sizeof(status), err);

        if (r < 0)
            return r;
        if (str_eq(status, "completed"))
            return 0;
        if (str_eq(status, "failed") || str_eq(status, "cancelled"))
            return error_set(err, -EIO, "QEMU could not write the guest's state");
        r = call_sleep(call, STATUS_PAUSE_MS, err);
        if (r < 0)
            return r;
    }
}

int machine_freeze(struct machine *machine, const struct call *call, const char *state,
                   struct error *err)
{
    int r = qmp_ask(machine_monitor(machine), call, "stop", NULL, NULL, err);

    r = r
            ?: ask_with(machine, call, "migrate-set-parameters", "max-bandwidth",
                        json_object_new_int64(NO_LIMIT), err);
    r = r ?: give_state(machine, call, state, O_RDWR | O_CREAT | O_TRUNC, err);
    r = r ?: ask_with(machine, call, "migrate", "uri", json_object_new_string("fd:state"), err);
    r = r ?: wait_until_written(machine, call, err);
    return r < 0 ? error_wrap(err, r, "freezing it") : 0;
}

/* A state that can't be read is QEMU's end. */
static int wait_until_read(struct machine *machine, const struct call *call, struct error *err)
{
    for (;;) {
        char status[32];
        int r = ask_status(machine, call, "query-status", status, sizeof(status), err);

        if (r < 0)
            return r;
        if (str_eq(status, "paused"))
            return 0;
        if (!str_eq(status, "inmigrate"))
            return error_set(err, -EIO, "QEMU says '%s'", status);
        r = call_sleep(call, STATUS_PAUSE_MS, err);
        if (r < 0)
            return r;
    }
}

int machine_thaw(struct machine *machine, const struct call *call, const char *state,
                 struct error *err)
{
    int r = give_state(machine, call, state, O_RDONLY, err);

    r = r
            ?: ask_with(machine, call, "migrate-incoming", "uri",
                        json_object_new_string("fd:state"), err);
    r = r ?: wait_until_read(machine, call, err);
    r = r ?: qmp_ask(machine_monitor(machine), call, "cont", NULL, NULL, err);
    return r < 0 ? error_wrap(err, r, "thawing it") : 0;
}
