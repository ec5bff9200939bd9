/* nestingd/qemu/creation.c - see creation.h.
 *
 * The first VM of an image that allows it pays for a second one: that boots, shows that it can be told apart from its
 * copies, and is frozen. Whoever comes while it is being made boots, as does whoever finds a frozen one broken.
 */
#include "nestingd/qemu/creation.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "nestingd/qemu/agent.h"
#include "nestingd/qemu/folder.h"
#include "nestingd/qemu/image.h"
#include "nestingd/qemu/machine.h"
#include "nestingd/qemu/template.h"

#define LOG_TOPIC "qemu"
#include "core/base/log.h"

enum {
    AGENT_WAIT_MS = 60 * 1000, /* of a guest that answers already */
    UNDO_MS = 60 * 1000,
    ADDRESS_PAUSE_MS = 200,
    MAC_SIZE = 18,
    MAKING_BYTES = 4
};

char *creation_made_from(const struct creation *creation, struct error *err)
{
    struct launch launch = { .folder = "", .name = "", .mac = "", .kvm = creation->kvm };
    auto_arguments struct arguments arguments = { 0 };
    autobuf struct buf text = BUF_INIT;
    int r = arguments_make(&arguments, &creation->image, &launch);

    if (r < 0) {
        (void) error_errno(err, r, "QEMU's arguments");
        return NULL;
    }
    buf_addf(&text, "%s\n", creation->qemu_version);
    for (size_t i = 0; i < arguments.n; i++)
        buf_addf(&text, "%s\n", arguments.items[i]);
    if (creation->image.disk_bytes > 0)
        buf_addf(&text, "disk of %lld bytes\n", (long long) creation->image.disk_bytes);
    return image_add_files(&creation->image, &text, err) < 0 ? NULL : buf_take(&text);
}

/* A guest on its way, in a folder of its own. */
struct way {
    const struct creation *creation;
    char *folder;
    char mac[MAC_SIZE];
    struct machine *machine;
};

static void way_done(struct way *way)
{
    machine_free(way->machine);
    free(way->folder);
}

#define auto_way __attribute__((cleanup(way_done)))

/* Locally administered, as QEMU's own are. */
static void make_mac(char mac[MAC_SIZE])
{
    uint64_t random = rng_u64(&rng_system);

    (void) snprintf(mac, MAC_SIZE, "52:54:00:%02x:%02x:%02x", (unsigned) (random & 0xff),
                    (unsigned) (random >> 8 & 0xff), (unsigned) (random >> 16 & 0xff));
}

static int begin(struct way *way, const char *parent, const char *id, struct error *err)
{
    make_mac(way->mac);
    way->folder = mem_printf("%s/%s", parent, id);
    if (!way->folder)
        return error_errno(err, -ENOMEM, "VM");
    return folder_make(way->folder, id, &way->creation->image, err)
               ?: folder_write_record(way->folder, way->creation->name, "", err);
}

static int launch(struct way *way, bool incoming, struct error *err)
{
    const struct creation *creation = way->creation;
    struct launch launch = { .folder = way->folder,
                             .name = strrchr(way->folder, '/') + 1,
                             .mac = way->mac,
                             .kvm = creation->kvm,
                             .incoming = incoming };
    auto_arguments struct arguments arguments = { 0 };
    int r = arguments_make(&arguments, &creation->image, &launch);

    if (r < 0)
        return error_errno(err, r, "QEMU's arguments");
    return machine_start((const char *const *) arguments.items, way->folder, creation->call,
                         &way->machine, err);
}

static int open_agent(const struct way *way, const struct call *call, struct qmp **ret,
                      struct error *err)
{
    autofree char *path = mem_printf("%s/agent", way->folder);

    return path ? qmp_open_agent(path, call, ret, err)
                : error_errno(err, -ENOMEM, "the guest's agent");
}

/* On a bridge nobody but the guest knows its address. */
static int ask_address(const struct way *way, const struct call *call, char host[VM_ADDR_SIZE],
                       struct error *err)
{
    auto_ptr(qmp_close) struct qmp *agent = NULL;
    int r = open_agent(way, call, &agent, err);

    while (r == 0) {
        r = agent_find_address(agent, call, way->mac, host, err);
        if (r != -ENOENT)
            return r;
        r = call_sleep(call, ADDRESS_PAUSE_MS, err);
    }
    return r;
}

static int find_address(const struct way *way, const struct call *call, char host[VM_ADDR_SIZE],
                        unsigned *port, struct error *err)
{
    *port = way->creation->image.port;
    if (way->creation->image.bridge[0])
        return ask_address(way, call, host, err);
    (void) str_copy(host, VM_ADDR_SIZE, "127.0.0.1");
    return machine_find_port(way->machine, call, port, err);
}

/* Until jobs can reach it. */
static int wait_answer(const struct way *way, char addr[VM_ADDR_SIZE], struct error *err)
{
    const struct settings *image = &way->creation->image;
    struct call call = call_within(way->creation->call, image->boot_timeout_ms);
    autobuf struct buf timeout = BUF_INIT;
    char host[VM_ADDR_SIZE] = "";
    unsigned port = 0;
    int r = find_address(way, &call, host, &port, err);

    r = r ?: machine_wait_answer(way->machine, &call, host, port, err);
    if (r == 0) {
        (void) snprintf(addr, VM_ADDR_SIZE, "%.200s:%u", host, port);
        return 0;
    }
    if (r == -ETIMEDOUT && call_ended(way->creation->call, NULL) == 0) {
        format_duration(&timeout, image->boot_timeout_ms);
        r = error_set(err, -EIO,
                      "it does not answer as SSH does on its port %u within boot_timeout, %s",
                      image->port, buf_str(&timeout));
    }
    return r == -ECANCELED ? r : machine_explain(way->machine, err);
}

int creation_boot(const struct creation *creation, char addr[VM_ADDR_SIZE], struct error *err)
{
    auto_way struct way way = { .creation = creation };
    const struct settings *image = &creation->image;

    return begin(&way, creation->places->vms, creation->id, err)
               ?: folder_make_disk(way.folder, image, image->disk, image->format, image->disk_bytes,
                                   creation->call, err)
               ?: launch(&way, false, err) ?: wait_answer(&way, addr, err);
}

static int refresh(const struct way *way, const struct call *call, struct error *err)
{
    auto_ptr(qmp_close) struct qmp *agent = NULL;

    return open_agent(way, call, &agent, err) ?: agent_refresh(agent, call, err);
}

/* What is frozen must be at rest, and able to become another. An agent that cloud-init installs comes late. */
static int prepare(const struct way *way, const struct call *call, struct error *err)
{
    auto_ptr(qmp_close) struct qmp *agent = NULL;
    const struct settings *image = &way->creation->image;
    struct call within = call_within(call, image->boot_timeout_ms);
    struct call waiting = call_within(&within, image->user_data[0] ? INT64_MAX : AGENT_WAIT_MS);

    return open_agent(way, &waiting, &agent, err)
               ?: agent_settle(agent, &within, err) ?: agent_refresh(agent, &within, err);
}

static int freeze(const struct way *way, const struct call *call, struct error *err)
{
    autofree char *state = mem_printf("%s/state", way->folder);

    if (!state)
        return error_errno(err, -ENOMEM, "frozen guest");
    return prepare(way, call, err) ?: machine_freeze(way->machine, call, state, err);
}

/* Its QEMU has nothing to do any more, but what it holds of the folder. */
static int stop(const struct way *way, const struct call *call, struct error *err)
{
    autofree char *monitor = mem_printf("%s/qmp", way->folder);

    return monitor ? qmp_kill(monitor, call, err) : error_errno(err, -ENOMEM, "frozen guest");
}

/* *ret_booted: what fails then is freezing alone. */
static int make_template(struct way *way, struct template *template, const char *made_from,
                         bool *ret_booted, struct error *err)
{
    const struct creation *creation = way->creation;
    const struct settings *image = &creation->image;
    char addr[VM_ADDR_SIZE], id[2 * MAKING_BYTES + 1];
    int r;

    rng_hex(&rng_system, id, MAKING_BYTES);
    r = begin(way, creation->places->making, id, err)
            ?: folder_make_disk(way->folder, image, image->disk, image->format, image->disk_bytes, creation->call,
                                err)
            ?: launch(way, false, err) ?: wait_answer(way, addr, err);
    if (r < 0)
        return r;
    *ret_booted = true;
    return freeze(way, creation->call, err)
               ?: stop(way, creation->call, err) ?: template_fill(template, way->folder, made_from, err);
}

static int fill_template(const struct creation *creation, struct template *template,
                         const char *made_from, bool *ret_booted, struct error *err)
{
    auto_way struct way way = { .creation = creation };
    int r = make_template(&way, template, made_from, ret_booted, err);

    if (r < 0 && way.folder) {
        struct call undo = call_fresh(UNDO_MS);
        struct error left = { 0 };

        if (folder_discard(way.folder, way.folder, &undo, &left) < 0)
            log_warning("a guest that was to be frozen is left until the next start: %s",
                        left.message);
    }
    return r;
}

static int restore(const struct creation *creation, const struct template *template,
                   char addr[VM_ADDR_SIZE], struct error *err)
{
    auto_way struct way way = { .creation = creation };
    struct call call = call_within(creation->call, creation->image.boot_timeout_ms);

    return begin(&way, creation->places->vms, creation->id, err)
               ?: folder_make_disk(way.folder, &creation->image, template->disk, "qcow2", 0, &call, err)
               ?: launch(&way, true, err)
               ?: machine_thaw(way.machine, &call, template->state, err)
               ?: refresh(&way, &call, err) ?: wait_answer(&way, addr, err);
}

/* A frozen guest that brings no VM is thrown away, and the VM boots. */
static int restore_or_boot(const struct creation *creation, struct template *template,
                           char addr[VM_ADDR_SIZE], struct error *err)
{
    struct error why = { 0 };
    int r = restore(creation, template, addr, &why);

    if (r == 0)
        return 0;
    if (call_ended(creation->call, err) < 0)
        return r;
    log_warning(
        "the frozen guest of image '%s' is of no use (%s), it is thrown away and VM %s boots",
        creation->name, why.message, creation->id);
    template_drop(template);
    return creation_undo(creation->places, creation->id, creation->call, err)
               ?: creation_boot(creation, addr, err);
}

int creation_restore(const struct creation *creation, const char *made_from,
                     char addr[VM_ADDR_SIZE], struct error *ret_unfit, struct error *err)
{
    auto_template struct template template = { .lock_fd = -1 };
    struct error why = { 0 };
    bool booted = false;
    int r = template_take(creation->places->templates, creation->name, made_from, &template, err);

    if (r < 0)
        return r;
    if (template.is == TEMPLATE_ABSENT) {
        log_info("freezing a guest of image '%s', from which its VMs will be restored",
                 creation->name);
        r = fill_template(creation, &template, made_from, &booted, &why);
    }
    if (r < 0 && (!booted || call_ended(creation->call, NULL) < 0))
        return error_set(err, r, "%s", why.message);
    if (r < 0)
        *ret_unfit = why;
    return template.is == TEMPLATE_READY ? restore_or_boot(creation, &template, addr, err)
                                         : creation_boot(creation, addr, err);
}

int creation_undo(const struct places *places, const char *id, const struct call *call,
                  struct error *err)
{
    autofree char *folder = mem_printf("%s/%s", places->vms, id);
    autofree char *gone = mem_printf("%s/%s", places->gone, id);

    return folder && gone ? folder_discard(folder, gone, call, err)
                          : error_errno(err, -ENOMEM, "VM %s", id);
}
