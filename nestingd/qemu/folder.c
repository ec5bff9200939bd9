/* nestingd/qemu/folder.c - see folder.h. */
#include "nestingd/qemu/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/process.h"
#include "nestingd/qemu/qmp.h"

enum { USER_DATA_MAX = 1024 * 1024, RECORD_MAX = 4096 };

static int open_folder(const char *folder, int *ret, struct error *err)
{
    *ret = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? error_errno(err, -errno, "%s", folder) : 0;
}

static int make_seed(const char *folder, const char *id, const struct settings *image,
                     struct error *err)
{
    autobuf struct buf user_data = BUF_INIT, meta_data = BUF_INIT;
    autofree char *seed = mem_printf("%s/seed", folder);
    autoclose int fd = -1;
    int r;

    if (!seed)
        return error_errno(err, -ENOMEM, "%s", folder);
    if (mkdir(seed, 0700) < 0)
        return error_errno(err, -errno, "%s", seed);
    buf_addf(&meta_data, "instance-id: %s\nlocal-hostname: %s\n", id, id);
    r = fs_read_file(AT_FDCWD, image->user_data, USER_DATA_MAX, &user_data, err);
    r = r ?: open_folder(seed, &fd, err);
    r = r ?: fs_replace_file(fd, "user-data", user_data.data, user_data.len, 0600, err);
    return r ?: fs_replace_file(fd, "meta-data", meta_data.data, meta_data.len, 0600, err);
}

int folder_make(const char *folder, const char *id, const struct settings *image, struct error *err)
{
    if (mkdir(folder, 0700) < 0)
        return error_errno(err, -errno, "%s", folder);
    return image->user_data[0] ? make_seed(folder, id, image, err) : 0;
}

int folder_make_disk(const char *folder, const struct settings *image, const char *base,
                     const char *format, int64_t size, const struct call *call, struct error *err)
{
    autofree char *disk = mem_printf("%s/disk.qcow2", folder);
    char bytes[24];
    const char *const argv[] = { image->qemu_img,
                                 "create",
                                 "-q",
                                 "-f",
                                 "qcow2",
                                 "-b",
                                 base,
                                 "-F",
                                 format,
                                 "--",
                                 disk,
                                 size > 0 ? bytes : NULL,
                                 NULL };
    int r;

    if (!disk)
        return error_errno(err, -ENOMEM, "%s", folder);
    (void) snprintf(bytes, sizeof(bytes), "%lld", (long long) size);
    r = process_run(argv, call, NULL, NULL, err);
    return r < 0 ? error_wrap(err, r, "the VM's disk") : 0;
}

int folder_write_record(const char *folder, const char *image, const char *addr, struct error *err)
{
    autojson json_t *record = json_object_new_object();
    autoclose int fd = -1;
    const char *text;
    int r = open_folder(folder, &fd, err);

    if (r < 0)
        return r;
    if (!record || json_add_str(record, "image", image) < 0 ||
        json_add_str(record, "addr", addr) < 0)
        return error_errno(err, -ENOMEM, "%s", folder);
    text = json_text(record);
    return fs_replace_file(fd, "record.json", text, strlen(text), 0600, err);
}

void folder_read_record(const char *folder, struct vm *vm)
{
    autofree char *path = mem_printf("%s/record.json", folder);
    autofree char *monitor = mem_printf("%s/qmp", folder);
    autobuf struct buf text = BUF_INIT;
    autojson json_t *record = NULL;
    const char *image = "", *addr = "";

    if (!path || !monitor || fs_read_file(AT_FDCWD, path, RECORD_MAX, &text, NULL) < 0 ||
        json_parse(buf_str(&text), text.len, &record, NULL) < 0)
        return;
    (void) json_opt_str(record, "image", &image, NULL);
    (void) json_opt_str(record, "addr", &addr, NULL);
    (void) str_copy(vm->name, sizeof(vm->name), image);
    if (addr[0] && qmp_is_heard(monitor))
        (void) str_copy(vm->addr, sizeof(vm->addr), addr);
}

int folder_discard(const char *folder, const char *gone, const struct call *call, struct error *err)
{
    autofree char *monitor = mem_printf("%s/qmp", gone);
    int r;

    if (!monitor)
        return error_errno(err, -ENOMEM, "%s", gone);
    if (rename(folder, gone) < 0 && errno != ENOENT)
        return error_errno(err, -errno, "%s", folder);
    r = qmp_kill(monitor, call, err);
    if (r < 0)
        return r;
    r = fs_remove_tree(AT_FDCWD, gone);
    return r < 0 ? error_errno(err, r, "%s", gone) : 0;
}
