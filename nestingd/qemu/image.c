/* nestingd/qemu/image.c - see image.h. */
#include "nestingd/qemu/image.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/process.h"
#include "nestingd/settings.h"

/* A path below the images' folder. What else V11 allows in a name is a file's name as it is. */
static bool is_below(const char *name)
{
    if (str_empty(name) || name[0] == '/')
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

/* `file` becomes an absolute path: those in a description are relative to `folder`. Empty stays empty. */
static int resolve(char file[PATH_MAX], const char *folder, const char *key, struct error *err)
{
    autofree char *path = NULL;

    if (!file[0] || file[0] == '/')
        return 0;
    path = mem_printf("%s/%s", folder, file);
    if (!path)
        return error_errno(err, -ENOMEM, "'%s'", key);
    if (str_copy(file, PATH_MAX, path) < 0)
        return error_set(err, -EINVAL, "'%s' is too long a path", key);
    return 0;
}

static int resolve_files(struct settings *image, const char *description, struct error *err)
{
    const char *slash = strrchr(description, '/');
    autofree char *folder = mem_strndup(description, slash ? (size_t) (slash - description) : 0);

    if (!folder)
        return error_errno(err, -ENOMEM, "its files");
    return resolve(image->disk, folder, "disk", err)
               ?: resolve(image->kernel, folder, "kernel", err)
               ?: resolve(image->initrd, folder, "initrd", err)
               ?: resolve(image->user_data, folder, "user_data", err);
}

static int describe(struct settings *image, const char *path, const struct buf *text,
                    struct error *err)
{
    autojson json_t *json = NULL;
    int r = settings_parse(buf_str(text), text->len, &json, err);

    if (r < 0)
        return r;
    if (!json)
        return error_set(err, -EINVAL, "it is empty");
    r = settings_lay_image_over(image, json, err) ?: resolve_files(image, path, err);
    if (r < 0)
        return r;
    if (!image->disk[0])
        return error_set(err, -EINVAL, "'disk' must name the image's disk");
    if (!image->kernel[0] && (image->initrd[0] || image->append[0]))
        return error_set(err, -EINVAL, "'initrd' and 'append' go with a 'kernel'");
    return 0;
}

/* -ENOENT: there is no such description. */
static int try_description(struct settings *image, const char *name, const char *suffix,
                           struct error *err)
{
    autofree char *path = mem_printf("%s/%s%s", image->image_directory, name, suffix);
    autobuf struct buf text = BUF_INIT;
    int r;

    if (!path)
        return error_errno(err, -ENOMEM, "image");
    r = settings_read(path, &text, err);
    if (r < 0)
        return r;
    r = describe(image, path, &text, err);
    return r < 0 ? error_wrap(err, r, "%s", path) : 0;
}

/* -ENOENT: nor such a disk. */
static int try_disk(struct settings *image, const char *name, struct error *err)
{
    autofree char *path = mem_printf("%s/%s.qcow2", image->image_directory, name);
    struct stat st;

    if (!path)
        return error_errno(err, -ENOMEM, "image");
    if (stat(path, &st) < 0)
        return error_errno(err, -errno, "%s", path);
    if (str_copy(image->disk, sizeof(image->disk), path) < 0)
        return error_set(err, -EINVAL, "the image's name is too long");
    return 0;
}

int image_find(const struct settings *defaults, const char *name, struct settings *ret,
               struct error *err)
{
    int r;

    *ret = *defaults;
    if (!defaults->image_directory[0])
        return error_set(err, -EINVAL, "'image_directory' is not set: it says where images are");
    if (!is_below(name))
        return error_set(err, -EINVAL, "the image's name must be a path below %s",
                         defaults->image_directory);
    r = try_description(ret, name, ".toml", err);
    if (r == -ENOENT)
        r = try_description(ret, name, ".json", err);
    if (r == -ENOENT)
        r = try_disk(ret, name, err);
    if (r == -ENOENT)
        return error_set(err, r,
                         "no image '%s': there is neither %s.toml, %s.json nor %s.qcow2 in %s",
                         name, name, name, name, defaults->image_directory);
    return r;
}

int image_disk_size(const struct settings *image, const struct call *call, int64_t *ret,
                    struct error *err)
{
    /* -U: others that have it open don't matter. */
    const char *const argv[] = {
        image->qemu_img, "info", "-U", "--output=json", "-f", image->format, "--", image->disk, NULL
    };
    autobuf struct buf out = BUF_INIT;
    autojson json_t *info = NULL;
    int r = process_run(argv, call, &out, NULL, err);

    if (r == 0)
        r = json_parse(buf_str(&out), out.len, &info, err);
    if (r == 0)
        r = json_need_i64(info, "virtual-size", 0, INT64_MAX, ret, err);
    return r < 0 ? error_wrap(err, r, "the image's disk") : 0;
}

int image_add_files(const struct settings *image, struct buf *out, struct error *err)
{
    const char *const files[] = { image->disk, image->kernel, image->initrd, image->user_data };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct stat st;

        if (!files[i][0])
            continue;
        if (stat(files[i], &st) < 0)
            return error_errno(err, -errno, "%s", files[i]);
        buf_addf(out, "%s %llu %llu %lld %lld.%09ld\n", files[i], (unsigned long long) st.st_dev,
                 (unsigned long long) st.st_ino, (long long) st.st_size,
                 (long long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
    return buf_error(out);
}
