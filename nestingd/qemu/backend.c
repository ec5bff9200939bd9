/* nestingd/qemu/backend.c - VMs of QEMU on Linux (docs/qemu-images.md), for the daemon (backend.h).
 *
 * All that is known of a VM is in its folder, so a daemon that starts finds those of an earlier one by looking: they
 * went on. Nothing here is kept in memory but the settings, whether KVM works, and which images can't be frozen.
 */
#include "nestingd/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/id.h"
#include "nestingd/process.h"
#include "nestingd/qemu/creation.h"
#include "nestingd/qemu/folder.h"
#include "nestingd/qemu/image.h"
#include "nestingd/qemu/machine.h"

#define LOG_TOPIC "qemu"
#include "core/base/log.h"

enum { UNFIT_MS = 60 * 60 * 1000, UNDO_MS = 60 * 1000, PROBE_MS = 10 * 1000, OVERHEAD_MIB = 96 };

/* An image that no frozen guest can be made of, by what one would be made from. It may have been the host's fault: it is
 * tried again. */
struct unfit {
    struct unfit *next;
    int64_t until_mono_ms;
    char made_from[];
};

struct backend {
    struct places places;
    char *folder, *qemu_version;
    bool kvm;             /* once started */
    pthread_mutex_t lock; /* of what follows */
    struct settings settings;
    struct unfit *unfit;
};

static void qemu_close(struct backend *backend)
{
    while (backend->unfit) {
        struct unfit *unfit = backend->unfit;

        backend->unfit = unfit->next;
        free(unfit);
    }
    free(backend->places.vms);
    free(backend->places.gone);
    free(backend->places.making);
    free(backend->places.templates);
    free(backend->folder);
    free(backend->qemu_version);
    (void) pthread_mutex_destroy(&backend->lock);
    free(backend);
}

DEFINE_AUTO_PTR(struct backend, qemu_close)

static int make_place(const char *folder, const char *name, char **ret, struct error *err)
{
    *ret = mem_printf("%s/%s", folder, name);
    if (!*ret)
        return error_errno(err, -ENOMEM, "%s", folder);
    if (mkdir(*ret, 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, "%s", *ret);
    return 0;
}

/* The longest path of a socket, `agent` in the folder of a VM, must fit its address. */
static int check_length(const char *folder, struct error *err)
{
    static const char longest[] = "/gone/" VM_ID_PREFIX "12345678/agent";
    size_t most = sizeof(((struct sockaddr_un *) 0)->sun_path) - sizeof(longest);

    if (strlen(folder) <= most)
        return 0;
    return error_set(
        err, -ENAMETOOLONG,
        "the folder %s has a path of more than %zu bytes, too long for the sockets in it", folder,
        most);
}

static int qemu_open(const char *folder, struct backend **ret, struct error *err)
{
    auto_ptr(qemu_close) struct backend *backend = mem_zero(sizeof(*backend));
    int r = check_length(folder, err);

    if (!backend)
        return error_errno(err, -ENOMEM, "%s", folder);
    (void) pthread_mutex_init(&backend->lock, NULL);
    settings_init(&backend->settings);
    r = r ?: make_place(folder, "vms", &backend->places.vms, err);
    r = r ?: make_place(folder, "gone", &backend->places.gone, err);
    r = r ?: make_place(folder, "making", &backend->places.making, err);
    r = r ?: make_place(folder, "templates", &backend->places.templates, err);
    if (r < 0)
        return r;
    backend->folder = mem_strdup(folder);
    if (!backend->folder)
        return error_errno(err, -ENOMEM, "%s", folder);
    *ret = take_ptr(backend);
    return 0;
}

static int qemu_configure(struct backend *backend, const json_t *settings, struct error *err)
{
    int r;

    (void) pthread_mutex_lock(&backend->lock);
    r = settings_lay_over(&backend->settings, settings, err);
    (void) pthread_mutex_unlock(&backend->lock);
    return r;
}

/* Calls `each` with the name of each entry. */
static int each_entry(const char *folder, int (*each)(void *arg, const char *name), void *arg,
                      struct error *err)
{
    autoclosedir DIR *dir = fs_open_dir(AT_FDCWD, folder);
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return error_errno(err, -errno, "%s", folder);
    while (r == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = each(arg, entry->d_name);
    return r;
}

static int read_version(struct backend *backend, const struct call *call, struct error *err)
{
    const char *const argv[] = { backend->settings.qemu, "--version", NULL };
    const char *const img_argv[] = { backend->settings.qemu_img, "--version", NULL };
    autobuf struct buf out = BUF_INIT;
    int r =
        process_run(argv, call, &out, NULL, err) ?: process_run(img_argv, call, NULL, NULL, err);

    if (r < 0)
        return error_wrap(err, r, "QEMU (Debian: packages qemu-system-x86 and qemu-utils)");
    free(backend->qemu_version);
    backend->qemu_version = buf_take(&out);
    return backend->qemu_version ? 0 : error_errno(err, -ENOMEM, "QEMU");
}

static int check_images(const struct settings *settings, struct error *err)
{
    struct stat st;

    if (!settings->image_directory[0])
        return error_set(err, -EINVAL, "'image_directory' is not set: it says where images are");
    if (settings->image_directory[0] != '/')
        return error_set(err, -EINVAL, "'image_directory' must be an absolute path");
    if (stat(settings->image_directory, &st) < 0)
        return error_errno(err, -errno, "image_directory '%s'", settings->image_directory);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, -ENOTDIR, "image_directory '%s' is no directory",
                         settings->image_directory);
    return 0;
}

/* Runs a machine without anything until its BIOS has said a word: a KVM that can be opened may still not work, as
 * within some VMs. */
static int try_kvm(struct backend *backend, const struct call *call, struct error *err)
{
    autofree char *folder = mem_printf("%s/kvm", backend->places.making);
    struct launch launch = { .folder = folder, .name = "kvm", .kvm = true };
    auto_arguments struct arguments arguments = { 0 };
    auto_ptr(machine_free) struct machine *machine = NULL;
    struct call probe = call_within(call, PROBE_MS), undo = call_fresh(UNDO_MS);
    int r;

    if (!folder || arguments_make_empty(&arguments, &backend->settings, &launch) < 0)
        return error_errno(err, -ENOMEM, "KVM");
    r = folder_make(folder, "kvm", &backend->settings, err);
    r = r ?: machine_start((const char *const *) arguments.items, folder, &probe, &machine, err);
    if (r == 0 && machine_wait_console(machine, &probe, err) < 0)
        r = error_set(err, -EIO, "a machine does not begin to run");
    (void) folder_discard(folder, folder, &undo, NULL);
    return r;
}

static int choose_accel(struct backend *backend, const struct call *call, struct error *err)
{
    struct error why = { 0 };
    int r;

    backend->kvm = false;
    if (backend->settings.accel == ACCEL_TCG)
        return 0;
    if (access("/dev/kvm", R_OK | W_OK) < 0)
        r = error_errno(&why, -errno, "/dev/kvm");
    else
        r = try_kvm(backend, call, &why);
    backend->kvm = r == 0;
    if (r < 0 && (backend->settings.accel == ACCEL_KVM || call_ended(call, NULL) < 0))
        return error_set(err, r, "KVM can't be used: %s", why.message);
    if (r < 0)
        log_warning("KVM can't be used (%s), VMs are emulated, which is many times slower",
                    why.message);
    return 0;
}

struct sweep {
    struct backend *backend;
    const struct call *call;
    const char *place;
    bool live_stay; /* those that jobs can reach */
    struct error *err;
};

static int sweep_one(void *arg, const char *name)
{
    const struct sweep *sweep = arg;
    autofree char *folder = mem_printf("%s/%s", sweep->place, name);
    struct vm vm = { 0 };

    if (!folder)
        return error_errno(sweep->err, -ENOMEM, "%s", name);
    folder_read_record(folder, &vm);
    if (sweep->live_stay && vm.addr[0]) {
        log_notice("VM %s of image '%s' at %s goes on", name, vm.name, vm.addr);
        return 0;
    }
    return folder_discard(folder, folder, sweep->call, sweep->err);
}

/* What an earlier daemon was making or removing, and what has ended, as with the host. */
static int sweep(struct backend *backend, const struct call *call, struct error *err)
{
    const char *const places[] = { backend->places.making, backend->places.gone,
                                   backend->places.vms };
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(places) && r == 0; i++) {
        struct sweep all = { .backend = backend,
                             .call = call,
                             .place = places[i],
                             .live_stay = places[i] == backend->places.vms,
                             .err = err };

        r = each_entry(places[i], sweep_one, &all, err);
    }
    return r;
}

static int qemu_start(struct backend *backend, const struct call *call, struct error *err)
{
    return check_images(&backend->settings, err)
               ?: read_version(backend, call, err) ?: sweep(backend, call, err) ?: choose_accel(backend, call, err);
}

static int find_image(struct backend *backend, const char *name, struct settings *ret,
                      struct error *err)
{
    int r;

    (void) pthread_mutex_lock(&backend->lock);
    r = image_find(&backend->settings, name, ret, err);
    (void) pthread_mutex_unlock(&backend->lock);
    return r;
}

static int qemu_need(struct backend *backend, const struct call *call, const char *image,
                     struct need *ret, struct error *err)
{
    struct settings settings;
    int64_t disk = 0;
    int r =
        find_image(backend, image, &settings, err) ?: image_disk_size(&settings, call, &disk, err);

    if (r < 0)
        return r;
    *ret = (struct need) { .cpus = settings.cpus,
                           .memory_bytes =
                               settings.memory_bytes + (int64_t) OVERHEAD_MIB * 1024 * 1024,
                           .disk_bytes = MAX(disk, settings.disk_bytes) };
    return 0;
}

/* Under the lock. */
static struct unfit *find_unfit(const struct backend *backend, const char *made_from)
{
    struct unfit *unfit = backend->unfit;

    while (unfit && !str_eq(unfit->made_from, made_from))
        unfit = unfit->next;
    return unfit;
}

static bool is_unfit(struct backend *backend, const char *made_from)
{
    const struct unfit *unfit;
    bool is;

    (void) pthread_mutex_lock(&backend->lock);
    unfit = find_unfit(backend, made_from);
    is = unfit && clock_mono_ms(&clock_system) < unfit->until_mono_ms;
    (void) pthread_mutex_unlock(&backend->lock);
    return is;
}

/* Under the lock. NULL without memory. */
static struct unfit *add_unfit(struct backend *backend, const char *made_from)
{
    size_t size = strlen(made_from) + 1;
    struct unfit *unfit = mem_alloc(sizeof(*unfit) + size);

    if (!unfit)
        return NULL;
    (void) memcpy(unfit->made_from, made_from, size);
    unfit->next = backend->unfit;
    backend->unfit = unfit;
    return unfit;
}

static void set_unfit(struct backend *backend, const char *image, const char *made_from,
                      const struct error *why)
{
    struct unfit *unfit;

    log_warning("no guest of image '%s' can be frozen (%s), its VMs boot for an hour from now",
                image, why->message);
    (void) pthread_mutex_lock(&backend->lock);
    unfit = find_unfit(backend, made_from) ?: add_unfit(backend, made_from);
    if (unfit)
        unfit->until_mono_ms = clock_mono_ms(&clock_system) + UNFIT_MS;
    (void) pthread_mutex_unlock(&backend->lock);
}

static int check_disk(const struct creation *creation, struct error *err)
{
    int64_t size = 0;
    int r;

    if (creation->image.disk_bytes == 0)
        return 0;
    r = image_disk_size(&creation->image, creation->call, &size, err);
    if (r == 0 && size > creation->image.disk_bytes)
        r = error_set(err, -EINVAL, "'disk_size' is less than the image's disk has, %lld bytes",
                      (long long) size);
    return r;
}

/* On a bridge, a restored guest would come with the address of the frozen one. */
static int make(struct backend *backend, const struct creation *creation, char addr[VM_ADDR_SIZE],
                struct error *err)
{
    autofree char *made_from = NULL;
    struct error unfit = { 0 };
    int r;

    if (!creation->image.snapshot || creation->image.bridge[0])
        return creation_boot(creation, addr, err);
    made_from = creation_made_from(creation, err);
    if (!made_from)
        return -EIO;
    if (is_unfit(backend, made_from))
        return creation_boot(creation, addr, err);
    r = creation_restore(creation, made_from, addr, &unfit, err);
    if (unfit.code < 0)
        set_unfit(backend, creation->name, made_from, &unfit);
    return r;
}

static int hand_out(const struct creation *creation, struct vm *ret, const char *addr,
                    struct error *err)
{
    autofree char *folder = mem_printf("%s/%s", creation->places->vms, creation->id);

    if (!folder)
        return error_errno(err, -ENOMEM, "VM %s", creation->id);
    *ret = (struct vm) { 0 };
    (void) str_copy(ret->id, sizeof(ret->id), creation->id);
    (void) str_copy(ret->name, sizeof(ret->name), creation->name);
    (void) str_copy(ret->addr, sizeof(ret->addr), addr);
    return folder_write_record(folder, creation->name, addr, err);
}

static int qemu_create(struct backend *backend, const struct call *call, const char *id,
                       const char *image, struct vm *ret, struct error *err)
{
    struct creation creation = { .places = &backend->places,
                                 .call = call,
                                 .id = id,
                                 .name = image,
                                 .qemu_version = backend->qemu_version,
                                 .kvm = backend->kvm };
    struct call undo;
    struct error left = { 0 };
    char addr[VM_ADDR_SIZE] = "";
    int r = find_image(backend, image, &creation.image, err) ?: check_disk(&creation, err);

    if (r < 0)
        return r;
    r = make(backend, &creation, addr, err) ?: hand_out(&creation, ret, addr, err);
    if (r == 0)
        return 0;
    undo = call_fresh(UNDO_MS);
    if (creation_undo(&backend->places, id, &undo, &left) < 0)
        log_warning("VM %s is left, of a creation that failed: %s", id, left.message);
    return r;
}

static int qemu_remove(struct backend *backend, const struct call *call, const char *id,
                       struct error *err)
{
    return id_is_vm(id) ? creation_undo(&backend->places, id, call, err) : 0;
}

struct listing {
    const char *place;
    int (*each)(void *arg, const struct vm *vm);
    void *arg;
};

static int list_one(void *arg, const char *name)
{
    const struct listing *listing = arg;
    autofree char *folder = mem_printf("%s/%s", listing->place, name);
    struct vm vm = { 0 };

    if (!folder)
        return -ENOMEM;
    if (!id_is_vm(name))
        return 0;
    (void) str_copy(vm.id, sizeof(vm.id), name);
    folder_read_record(folder, &vm);
    return listing->each(listing->arg, &vm);
}

/* One that is being removed as well, so that a removal that failed is seen; those first, so that none is told twice. */
static int qemu_list(struct backend *backend, const struct call *call,
                     int (*each)(void *arg, const struct vm *vm), void *arg, struct error *err)
{
    struct listing vms = { .place = backend->places.vms, .each = each, .arg = arg };
    struct listing gone = { .place = backend->places.gone, .each = each, .arg = arg };

    return each_entry(gone.place, list_one, &gone, err)
               ?: each_entry(vms.place, list_one, &vms, err);
}

const struct backend_kind backend_qemu = {
    .name = "qemu",
    .open = qemu_open,
    .close = qemu_close,
    .configure = qemu_configure,
    .knows = settings_know,
    .start = qemu_start,
    .need = qemu_need,
    .create = qemu_create,
    .remove = qemu_remove,
    .list = qemu_list,
};
