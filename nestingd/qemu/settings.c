/* nestingd/qemu/settings.c - see settings.h. One table names each key, what it is and whose. */
#include "nestingd/qemu/settings.h"

#include <stddef.h>
#include <string.h>

#include "core/base/str.h"
#include "nestingd/size.h"

#define MIB ((int64_t) 1024 * 1024)
#define TIB (MIB * 1024 * 1024)

enum kind { KIND_TEXT, KIND_COUNT, KIND_SIZE, KIND_TIME, KIND_BOOL, KIND_ACCEL };
enum whose { OF_BOTH, OF_DAEMON, OF_IMAGE };

struct key {
    const char *name;
    enum kind kind;
    enum whose whose;
    size_t offset, size; /* of its member */
    int64_t min, max;
};

#define MEMBER(name) offsetof(struct settings, name), sizeof(((struct settings *) 0)->name)

static const struct key keys[] = {
    { "qemu", KIND_TEXT, OF_DAEMON, MEMBER(qemu), 0, 0 },
    { "qemu_img", KIND_TEXT, OF_DAEMON, MEMBER(qemu_img), 0, 0 },
    { "image_directory", KIND_TEXT, OF_DAEMON, MEMBER(image_directory), 0, 0 },
    { "accel", KIND_ACCEL, OF_DAEMON, MEMBER(accel), 0, 0 },
    { "bridge", KIND_TEXT, OF_DAEMON, MEMBER(bridge), 0, 0 },
    { "cpu", KIND_TEXT, OF_BOTH, MEMBER(cpu), 0, 0 },
    { "cpus", KIND_COUNT, OF_BOTH, MEMBER(cpus), 1, 255 },
    { "memory", KIND_SIZE, OF_BOTH, MEMBER(memory_bytes), 64 * MIB, TIB },
    { "disk_size", KIND_SIZE, OF_BOTH, MEMBER(disk_bytes), MIB, 64 * TIB },
    { "restricted", KIND_BOOL, OF_BOTH, MEMBER(restricted), 0, 0 },
    { "port", KIND_COUNT, OF_BOTH, MEMBER(port), 1, 65535 },
    { "boot_timeout", KIND_TIME, OF_BOTH, MEMBER(boot_timeout_ms), 1000, 86400000 },
    { "snapshot", KIND_BOOL, OF_BOTH, MEMBER(snapshot), 0, 0 },
    { "disk", KIND_TEXT, OF_IMAGE, MEMBER(disk), 0, 0 },
    { "format", KIND_TEXT, OF_IMAGE, MEMBER(format), 0, 0 },
    { "kernel", KIND_TEXT, OF_IMAGE, MEMBER(kernel), 0, 0 },
    { "initrd", KIND_TEXT, OF_IMAGE, MEMBER(initrd), 0, 0 },
    { "append", KIND_TEXT, OF_IMAGE, MEMBER(append), 0, 0 },
    { "user_data", KIND_TEXT, OF_IMAGE, MEMBER(user_data), 0, 0 },
};

void settings_init(struct settings *settings)
{
    *settings = (struct settings) { .qemu = "qemu-system-x86_64",
                                    .qemu_img = "qemu-img",
                                    .cpu = "max",
                                    .cpus = 2,
                                    .memory_bytes = 2048 * MIB,
                                    .port = 22,
                                    .boot_timeout_ms = (int64_t) 5 * 60 * 1000,
                                    .snapshot = true,
                                    .format = "qcow2" };
}

static int set_text(char *at, const struct key *key, json_t *value, struct error *err)
{
    const char *text = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string) ||
        strlen(text) != (size_t) json_object_get_string_len(value))
        return error_set(err, -EINVAL, "'%s' must be a text", key->name);
    if (str_copy(at, key->size, text) < 0)
        return error_set(err, -EINVAL, "'%s' is longer than %zu bytes", key->name, key->size - 1);
    return 0;
}

static int read_number(const struct key *key, json_t *value, int64_t *ret, struct error *err)
{
    int r = -EINVAL;

    if (json_object_is_type(value, json_type_int) && key->kind != KIND_TIME) {
        *ret = json_object_get_int64(value);
        r = 0;
    } else if (json_object_is_type(value, json_type_string) && key->kind == KIND_SIZE) {
        r = size_parse(json_object_get_string(value), ret);
    } else if (json_object_is_type(value, json_type_string) && key->kind == KIND_TIME) {
        r = parse_duration_ms(json_object_get_string(value), ret);
    }
    if (r == 0 && *ret >= key->min && *ret <= key->max)
        return 0;
    if (key->kind == KIND_SIZE)
        return error_set(err, -EINVAL,
                         "'%s' must be a size from %lldMiB to %lldGiB, such as \"2GiB\"", key->name,
                         (long long) (key->min / MIB), (long long) (key->max / MIB / 1024));
    if (key->kind == KIND_TIME)
        return error_set(err, -EINVAL, "'%s' must be a time from 1s to 24h, such as \"5m\"",
                         key->name);
    return error_set(err, -EINVAL, "'%s' must be a number from %lld to %lld", key->name,
                     (long long) key->min, (long long) key->max);
}

static int set_number(void *at, const struct key *key, json_t *value, struct error *err)
{
    int64_t number = 0;
    int r = read_number(key, value, &number, err);

    if (r < 0)
        return r;
    if (key->kind == KIND_COUNT)
        *(unsigned *) at = (unsigned) number;
    else
        *(int64_t *) at = number;
    return 0;
}

static int set_accel(enum accel *at, const struct key *key, json_t *value, struct error *err)
{
    static const char *const names[] = {
        [ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg"
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (json_object_is_type(value, json_type_string) &&
            str_eq(json_object_get_string(value), names[i])) {
            *at = (enum accel) i;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "'%s' must be \"auto\", \"kvm\" or \"tcg\"", key->name);
}

static int set(struct settings *settings, const struct key *key, json_t *value, struct error *err)
{
    void *at = (char *) settings + key->offset;

    switch (key->kind) {
    case KIND_TEXT:
        return set_text(at, key, value, err);
    case KIND_ACCEL:
        return set_accel(at, key, value, err);
    case KIND_BOOL:
        if (!json_object_is_type(value, json_type_boolean))
            return error_set(err, -EINVAL, "'%s' must be true or false", key->name);
        *(bool *) at = json_object_get_boolean(value);
        return 0;
    case KIND_COUNT:
    case KIND_SIZE:
    case KIND_TIME:
        break;
    }
    return set_number(at, key, value, err);
}

static int check(const struct settings *settings, struct error *err)
{
    if (!str_eq(settings->format, "qcow2") && !str_eq(settings->format, "raw"))
        return error_set(err, -EINVAL, "'format' must be \"qcow2\" or \"raw\"");
    if (settings->bridge[0] && settings->restricted)
        return error_set(err, -EINVAL,
                         "'restricted' is for user-mode networking: leave out 'bridge'");
    if (strpbrk(settings->bridge, ", /"))
        return error_set(err, -EINVAL, "'bridge' must be the name of a bridge, such as \"br0\"");
    if (!settings->qemu[0] || !settings->qemu_img[0] || !settings->cpu[0])
        return error_set(err, -EINVAL, "'qemu', 'qemu_img' and 'cpu' must not be empty");
    return 0;
}

static int lay_over(struct settings *settings, const json_t *object, enum whose except,
                    struct error *err)
{
    struct settings laid = *settings;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys) && r == 0; i++) {
        json_t *value = NULL;

        if (keys[i].whose != except && json_object_object_get_ex(object, keys[i].name, &value) &&
            value)
            r = set(&laid, &keys[i], value, err);
    }
    r = r ?: check(&laid, err);
    if (r == 0)
        *settings = laid;
    return r;
}

int settings_lay_over(struct settings *settings, const json_t *object, struct error *err)
{
    return lay_over(settings, object, OF_IMAGE, err);
}

static bool is_key(const char *name, enum whose except)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].whose != except && str_eq(keys[i].name, name))
            return true;
    return false;
}

bool settings_know(const char *key)
{
    return is_key(key, OF_IMAGE);
}

/* A slip in a description would be noticed late: it is told. */
static int check_keys(const json_t *object, struct error *err)
{
    json_object_object_foreach((json_t *) (uintptr_t) object, name, value)
    {
        (void) value;
        if (!is_key(name, OF_DAEMON))
            return error_set(err, -EINVAL, "'%s' is no key of an image", name);
    }
    return 0;
}

int settings_lay_image_over(struct settings *settings, const json_t *object, struct error *err)
{
    return check_keys(object, err) ?: lay_over(settings, object, OF_DAEMON, err);
}
