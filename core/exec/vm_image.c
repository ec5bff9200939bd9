/* core/exec/vm_image.c - see vm_image.h. Which files an image has is flotilla-nesting's business; that there is one is
 * said here, before anything is started. */
#include "core/exec/vm_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define USER_DEFAULT "ci"
/* hardening.md V11 */
#define NAME_SIGNS "._@:-"
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" NAME_SIGNS

static const char *const endings[] = { ".json", ".toml", ".qcow2" };

/* Where `scripts/build-guest` is told to put it by docs/linux-vms.md. */
static char *default_image(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (!str_empty(data))
        return mem_printf("%s/flotilla/images/guest", data);
    return mem_printf("%s/.local/share/flotilla/images/guest", home ? home : "");
}

static bool is_there(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        autofree char *file = mem_printf("%s%s", path, endings[i]);

        if (file && access(file, R_OK) == 0)
            return true;
    }
    return false;
}

/* Without its ending, so that a shell may complete it. */
static char *bare_path(const char *image)
{
    size_t len = strlen(image);

    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (len > strlen(endings[i]) && str_ends(image, endings[i]))
            return mem_strndup(image, len - strlen(endings[i]));
    return mem_strdup(image);
}

static int split(const char *path, struct vm_image *ret, struct error *err)
{
    const char *slash = strrchr(path, '/');
    autofree char *folder =
        slash ? mem_strndup(path, (size_t) (slash - path) + 1) : mem_strdup(".");

    ret->name = mem_strdup(slash ? slash + 1 : path);
    if (!folder || !ret->name)
        return error_set(err, -ENOMEM, "out of memory");
    if (str_empty(ret->name) || ret->name[strspn(ret->name, NAME_LETTERS)] ||
        strchr(NAME_SIGNS, ret->name[0]))
        return error_set(err, -EINVAL,
                         "the image's name '%s' must be of letters, digits and . _ @ : -, and "
                         "begin with a letter or digit",
                         ret->name);
    ret->folder = realpath(folder, NULL);
    return ret->folder ? 0 : error_errno(err, -errno, "%s", folder);
}

static int find_key(const struct vm_options *options, struct vm_image *ret, struct error *err)
{
    autofree char *key =
        options->key ? mem_strdup(options->key) : mem_printf("%s/key", ret->folder);

    if (!key)
        return error_set(err, -ENOMEM, "out of memory");
    ret->key = realpath(key, NULL);
    if (ret->key && access(ret->key, R_OK) == 0)
        return 0;
    return error_set(err, -errno,
                     "the key %s, with which '%s' is to be logged in to VMs, can't be read: %s; "
                     "--vm-key FILE names another",
                     key, ret->user, strerror(errno));
}

static int find(const struct vm_options *options, struct vm_image *ret, struct error *err)
{
    autofree char *path = options->image ? bare_path(options->image) : default_image();
    int r;

    if (!path)
        return error_set(err, -ENOMEM, "out of memory");
    if (!is_there(path))
        return error_set(err, -ENOENT,
                         "there is no image for VMs: neither %s.json nor %s.qcow2 can be read; "
                         "scripts/build-guest DIR makes one, --vm-image DIR/guest names it",
                         path, path);
    r = split(path, ret, err);
    return r < 0 ? r : find_key(options, ret, err);
}

int vm_image_find(const struct vm_options *options, struct vm_image *ret, struct error *err)
{
    int r;

    *ret = (struct vm_image) { .user = options->user ? options->user : USER_DEFAULT };
    r = find(options, ret, err);
    if (r < 0)
        vm_image_done(ret);
    return r;
}

void vm_image_done(struct vm_image *image)
{
    free(image->folder);
    free(image->name);
    free(image->key);
    *image = (struct vm_image) { 0 };
}
