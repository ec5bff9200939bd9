/* nestingd/tart/tart.c - the back end of Macs with Apple silicon: VMs are Tart's (backend.h).
 *
 * What Tart lists is the truth about which VMs there are; the table of guests only adds which of them are children of
 * this daemon. So a restart needs no file of ours. What `tart run` prints goes to ID.log in the folder, for a VM outlives
 * the daemon. The commands and what is known of their traps: nesting.md 5.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/tart/command.h"
#include "nestingd/tart/guests.h"
#define LOG_TOPIC "tart"
#include "core/base/log.h"

enum {
    SAID_MAX = 300,     /* of a VM's log, in a sentence */
    STOP_MS = 10 * 1000 /* what `tart run` has to end its VM and Softnet */
};

struct backend {
    char *folder;
    pthread_mutex_t lock; /* of the settings */
    struct tart_settings settings;
    struct guests guests;
};

static void tart_close(struct backend *tart)
{
    guests_done(&tart->guests);
    (void) pthread_mutex_destroy(&tart->lock);
    free(tart->folder);
    free(tart);
}

static int tart_open(const char *folder, struct backend **ret, struct error *err)
{
    struct backend *tart = mem_zero(sizeof(*tart));

    if (!tart)
        return error_errno(err, -ENOMEM, "tart");
    guests_init(&tart->guests);
    (void) pthread_mutex_init(&tart->lock, NULL);
    tart_settings_init(&tart->settings);
    tart->folder = mem_strdup(folder);
    if (!tart->folder) {
        tart_close(tart);
        return error_errno(err, -ENOMEM, "tart");
    }
    *ret = tart;
    return 0;
}

static int tart_configure(struct backend *tart, const json_t *settings, struct error *err)
{
    int r;

    (void) pthread_mutex_lock(&tart->lock);
    r = tart_settings_read(&tart->settings, settings, err);
    (void) pthread_mutex_unlock(&tart->lock);
    return r;
}

/* As they are now, for one call. */
static struct tart_settings settings_of(struct backend *tart)
{
    struct tart_settings ret;

    (void) pthread_mutex_lock(&tart->lock);
    ret = tart->settings;
    (void) pthread_mutex_unlock(&tart->lock);
    return ret;
}

static int note_leftover(void *arg, const struct tart_machine *machine)
{
    if (tart_is_ours(machine->name))
        buf_addf(arg, " %s", machine->name);
    return 0;
}

/* A list at once shows whether Tart is there, and new enough to give one as JSON. */
static int tart_begin(struct backend *tart, const struct call *call, struct error *err)
{
    autobuf struct buf left = BUF_INIT;
    int r = tart_list(call, note_leftover, &left, err);

    if (r == 0 && left.len > 0)
        log_notice("VMs of an earlier daemon are still there:%s", buf_str(&left));
    return r;
}

/* Tart clones whatever it has: a job must not name another's VM and be given its disk. Before anything is made.
 *
 * The disk is not counted: a clone shares its image's blocks, and Tart frees what it can by itself. Of an image in a
 * registry nothing is known before it is pulled. */
static int tart_need(struct backend *tart, const struct call *call, const char *image,
                     struct need *ret, struct error *err)
{
    struct error why = { 0 };

    *ret = (struct need) { 0 };
    if (tart_is_ours(image))
        return error_set(err, -EINVAL, "%s is the name of a VM, not of an image", image);
    if (strchr(image, '/') || tart_get(call, image, ret, &why) == 0)
        return 0;
    log_debug("%s: what it takes is not known: %s", image, why.message);
    return call_ended(call, err);
}

static char *log_path(const struct backend *tart, const char *id)
{
    return mem_printf("%s/%s.log", tart->folder, id);
}

/* Behind the sentence that says how `tart run` ended. */
static void quote_log(const char *path, struct error *err)
{
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    char said[SAID_MAX];
    struct stat st;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0)
        n = pread(fd, said, sizeof(said), MAX(st.st_size - (off_t) sizeof(said), 0));
    process_quote(err, said, (size_t) MAX(n, 0));
}

/* `tart run` ended before the VM had an address, even without an error: there will never be one. */
static int ended_early(const struct tart_settings *settings, const struct guest *guest,
                       const char *log, struct error *err)
{
    int r = process_result(guest->process, err);

    if (r == 0)
        r = error_set(err, -EIO, "it ended before the VM had an address");
    quote_log(log, err);
    return tart_start_failed(settings, r, guest->vm.id, err);
}

static int boot(struct backend *tart, const struct tart_settings *settings, const struct call *call,
                struct guest *guest, struct vm *ret, struct error *err)
{
    autofree char *path = log_path(tart, guest->vm.id);
    autoclose int log =
        path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600) : -1;
    char addr[VM_ADDR_SIZE];
    int r;

    if (log < 0)
        return error_errno(err, path ? -errno : -ENOMEM, "%s.log", guest->vm.id);
    r = tart_start(settings, guest->vm.id, log, &guest->process, err);
    if (r < 0)
        return r;
    r = tart_wait_address(settings, call, guest->vm.id, guest->process, addr, err);
    if (r == -ESRCH)
        return ended_early(settings, guest, path, err);
    if (r < 0)
        return error_wrap(err, r, "fetching address");
    *ret = guest->vm;
    (void) str_copy(ret->addr, sizeof(ret->addr), addr);
    guests_set_address(&tart->guests, guest, addr);
    return 0;
}

struct search {
    const char *id;
    bool found, stopped;
};

/* The whole name, whatever it begins with. */
static int match(void *arg, const struct tart_machine *machine)
{
    struct search *search = arg;

    if (str_eq(machine->name, search->id)) {
        search->found = true;
        search->stopped = machine->stopped;
    }
    return 0;
}

static int look_up(const struct call *call, struct search *search, struct error *err)
{
    int r = tart_list(call, match, search, err);

    return r < 0 ? error_wrap(err, r, "fetching vm details") : 0;
}

/* Tart deletes nothing that runs. */
static int delete_machine(const struct call *call, const char *id, struct error *err)
{
    struct search search = { .id = id };
    struct search again = { .id = id };
    struct error why = { 0 };
    int r = look_up(call, &search, err);

    if (r < 0 || !search.found)
        return r;
    if (!search.stopped && tart_stop(call, id, &why) < 0)
        log_debug("%s", why.message);
    r = tart_delete(call, id, err);
    if (r < 0 && look_up(call, &again, NULL) == 0 && !again.found)
        return 0;
    return r < 0 ? error_wrap(err, r, "deleting image") : 0;
}

/* A child is awaited before its VM is deleted: it holds Tart's lock on it to its end. */
static int tart_remove(struct backend *tart, const struct call *call, const char *id,
                       struct error *err)
{
    auto_ptr(guest_free) struct guest *guest = guests_take(&tart->guests, id);
    autofree char *log = log_path(tart, id);
    int r;

    if (guest && guest->process)
        process_stop(guest->process, STOP_MS);
    r = delete_machine(call, id, err);
    if (r == 0 && log)
        (void) unlink(log);
    return r;
}

static int tart_create(struct backend *tart, const struct call *call, const char *id,
                       const char *image, struct vm *ret, struct error *err)
{
    struct tart_settings settings = settings_of(tart);
    struct guest *guest = guests_add(&tart->guests, id, image);
    int r;

    if (!guest)
        return error_errno(err, -ENOMEM, "%s", id);
    r = tart_clone(&settings, call, image, id, err);
    if (r < 0)
        return error_wrap(err, r, "cloning image %s (%s)", id, image);
    return boot(tart, &settings, call, guest, ret, err);
}

/* The ids that a list gave, one behind the other, each with a letter: 's' stopped, 'r' not. */
static int collect(void *arg, const struct tart_machine *machine)
{
    if (!tart_is_ours(machine->name))
        return 0;
    buf_add(arg, machine->name, VM_ID_SIZE - 1);
    buf_add_char(arg, machine->stopped ? 's' : 'r');
    return buf_error(arg);
}

/* One without an address is listed all the same: else whoever clears a host would never hear of it. */
static int describe(struct backend *tart, const struct tart_settings *settings,
                    const struct call *call, const char *id, bool stopped, struct vm *ret,
                    struct error *err)
{
    struct error why = { 0 };

    if (guests_find(&tart->guests, id, ret))
        return 0;
    *ret = (struct vm) { 0 };
    (void) str_copy(ret->id, sizeof(ret->id), id);
    if (stopped || tart_find_address(settings, call, id, ret->addr, &why) == 0)
        return 0;
    log_debug("%s has no address: %s", id, why.message);
    return call_ended(call, err);
}

static bool was_collected(const struct buf *ids, const char *id)
{
    for (size_t at = 0; at < ids->len; at += VM_ID_SIZE)
        if (strncmp(ids->data + at, id, VM_ID_SIZE - 1) == 0)
            return true;
    return false;
}

/* Those whose image is being pulled are not in Tart's list yet. */
static int list_being_made(struct backend *tart, const struct buf *ids,
                           int (*each)(void *arg, const struct vm *vm), void *arg)
{
    struct vm vm;
    int r = 0;

    for (size_t i = 0; r >= 0 && guests_find_being_made(&tart->guests, i, &vm); i++)
        if (!was_collected(ids, vm.id))
            r = each(arg, &vm);
    return MIN(r, 0);
}

static int tart_list_vms(struct backend *tart, const struct call *call,
                         int (*each)(void *arg, const struct vm *vm), void *arg, struct error *err)
{
    struct tart_settings settings = settings_of(tart);
    autobuf struct buf ids = BUF_INIT;
    int r = tart_list(call, collect, &ids, err);

    if (r < 0)
        return r;
    for (size_t at = 0; at < ids.len; at += VM_ID_SIZE) {
        bool stopped = ids.data[at + VM_ID_SIZE - 1] == 's';
        struct vm vm;

        ids.data[at + VM_ID_SIZE - 1] = '\0';
        r = describe(tart, &settings, call, ids.data + at, stopped, &vm, err);
        if (r == 0)
            r = each(arg, &vm);
        if (r < 0)
            return r;
    }
    return list_being_made(tart, &ids, each, arg);
}

const struct backend_kind backend_tart = {
    .name = "tart",
    .most_vms = 2, /* macOS guests that Apple allows on a Mac */
    .open = tart_open,
    .close = tart_close,
    .configure = tart_configure,
    .knows = tart_settings_know,
    .start = tart_begin,
    .need = tart_need,
    .create = tart_create,
    .remove = tart_remove,
    .list = tart_list_vms,
};
