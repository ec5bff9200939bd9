/* tests/fakes/backend_fake.c - a back end of the nesting daemon for its tests. A VM is a file vms/ID in its folder, with the
 * image and the address. Files beside it are orders of a test:
 *
 *   hold         create() waits while it is there, its VM made and without an address yet
 *   late         create() has its VM only once its call has ended
 *   fail-METHOD  create, remove, list or start fails with its text
 *   journal      what was done, a line each
 *
 * Settings: "cpus" and "memory_bytes", what a VM takes; "comment" is a text.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/backends.h"
#include "nestingd/call.h"

#define HOLD_STEP_MS 10

struct backend {
    int folder_fd, vms_fd;
    pthread_mutex_t lock;
    struct need need;
    unsigned made;
};

static void note(struct backend *backend, const char *what, const char *id)
{
    autoclose int fd =
        openat(backend->folder_fd, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    autofree char *line = mem_printf("%s %s\n", what, id);

    if (fd >= 0 && line)
        (void) fs_write_all(fd, line, strlen(line));
}

/* The text of a file of the test is the failure's. */
static int ordered(struct backend *backend, const char *file, struct error *err)
{
    autobuf struct buf text = BUF_INIT;

    if (fs_read_file(backend->folder_fd, file, 4096, &text, NULL) < 0)
        return 0;
    return error_set(err, -EIO, "%s", buf_str(&text));
}

static void fake_close(struct backend *backend)
{
    (void) close(backend->folder_fd);
    (void) close(backend->vms_fd);
    (void) pthread_mutex_destroy(&backend->lock);
    free(backend);
}

static int fake_open(const char *folder, struct backend **ret, struct error *err)
{
    struct backend *backend = mem_zero(sizeof(*backend));

    if (!backend)
        return error_set(err, -ENOMEM, "out of memory");
    backend->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void) mkdirat(backend->folder_fd, "vms", 0700);
    backend->vms_fd = openat(backend->folder_fd, "vms", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void) pthread_mutex_init(&backend->lock, NULL);
    *ret = backend;
    return 0;
}

static int fake_configure(struct backend *backend, const json_t *settings, struct error *err)
{
    json_t *object = (json_t *) (uintptr_t) settings;
    struct need need = backend->need;
    int64_t cpus = need.cpus;
    const char *comment = NULL;
    int r = json_opt_i64(object, "cpus", 0, 1000, &cpus, err);

    if (r == 0)
        r = json_opt_i64(object, "memory_bytes", 0, INT64_MAX, &need.memory_bytes, err);
    if (r == 0)
        r = json_opt_str(object, "comment", &comment, err);
    need.cpus = (unsigned) cpus;
    if (r == 0)
        backend->need = need;
    return r;
}

static bool fake_knows(const char *key)
{
    return str_eq(key, "cpus") || str_eq(key, "memory_bytes") || str_eq(key, "comment");
}

static int fake_start(struct backend *backend, const struct call *call, struct error *err)
{
    (void) call;
    note(backend, "start", "");
    return ordered(backend, "fail-start", err);
}

static int fake_need(struct backend *backend, const struct call *call, const char *image,
                     struct need *ret, struct error *err)
{
    (void) call;
    (void) image;
    (void) err;
    *ret = backend->need;
    return 0;
}

static int write_vm(struct backend *backend, const char *id, const char *image, const char *addr)
{
    autofree char *text = mem_printf("%s %s", image, addr);

    return text ? fs_replace_file(backend->vms_fd, id, text, strlen(text), 0600, NULL) : -ENOMEM;
}

static bool is_there(const struct backend *backend, const char *file)
{
    return faccessat(backend->folder_fd, file, F_OK, 0) == 0;
}

static int wait_for_test(struct backend *backend, const struct call *call, struct error *err)
{
    if (is_there(backend, "late")) {
        while (call_sleep(call, HOLD_STEP_MS, NULL) == 0)
            continue;
        return 0;
    }
    while (is_there(backend, "hold")) {
        int r = call_sleep(call, HOLD_STEP_MS, err);

        if (r < 0)
            return r;
    }
    return call_ended(call, err);
}

static int make(struct backend *backend, const struct call *call, const char *id, const char *image,
                struct vm *ret, struct error *err)
{
    int r = write_vm(backend, id, image, "");

    if (r < 0)
        return error_errno(err, r, "vms/%s", id);
    note(backend, "making", id);
    r = wait_for_test(backend, call, err);
    if (r == 0)
        r = ordered(backend, "fail-create", err);
    if (r < 0)
        return r;
    (void) pthread_mutex_lock(&backend->lock);
    (void) snprintf(ret->addr, sizeof(ret->addr), "192.168.64.%u", ++backend->made);
    (void) pthread_mutex_unlock(&backend->lock);
    (void) str_copy(ret->id, sizeof(ret->id), id);
    (void) str_copy(ret->name, sizeof(ret->name), image);
    return write_vm(backend, id, image, ret->addr);
}

static int fake_create(struct backend *backend, const struct call *call, const char *id,
                       const char *image, struct vm *ret, struct error *err)
{
    int r = make(backend, call, id, image, ret, err);

    if (r < 0)
        (void) unlinkat(backend->vms_fd, id, 0);
    note(backend, r < 0 ? "failed" : "made", id);
    return r;
}

static int fake_remove(struct backend *backend, const struct call *call, const char *id,
                       struct error *err)
{
    int r = ordered(backend, "fail-remove", err);

    (void) call;
    if (r < 0)
        return r;
    (void) unlinkat(backend->vms_fd, id, 0);
    note(backend, "removed", id);
    return 0;
}

static int show(struct backend *backend, const char *id,
                int (*each)(void *arg, const struct vm *vm), void *arg)
{
    autobuf struct buf text = BUF_INIT;
    struct vm vm = { 0 };
    const char *blank;

    if (fs_read_file(backend->vms_fd, id, 4096, &text, NULL) < 0)
        return 0; /* it has just gone */
    blank = strchr(buf_str(&text), ' ');
    (void) str_copy(vm.id, sizeof(vm.id), id);
    if (blank)
        (void) str_copy(vm.addr, sizeof(vm.addr), blank + 1);
    return each(arg, &vm);
}

static int fake_list(struct backend *backend, const struct call *call,
                     int (*each)(void *arg, const struct vm *vm), void *arg, struct error *err)
{
    autoclosedir DIR *dir = fs_open_dir(backend->folder_fd, "vms");
    const struct dirent *entry;
    int r = ordered(backend, "fail-list", err);

    (void) call;
    while (r == 0 && dir && (entry = readdir(dir)))
        if (str_starts(entry->d_name, VM_ID_PREFIX))
            r = show(backend, entry->d_name, each, arg);
    return r;
}

static const struct backend_kind fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .configure = fake_configure,
    .knows = fake_knows,
    .start = fake_start,
    .need = fake_need,
    .create = fake_create,
    .remove = fake_remove,
    .list = fake_list,
};

const struct backend_kind *const backends[] = { &fake };
const size_t n_backends = ARRAY_LEN(backends);
