/* nestingd/qemu/settings.h - what a VM is to have. The daemon's configuration makes one, and the description of an
 * image lays its own keys over a copy of that (image.c). A plain value, copied by assignment.
 */
#pragma once

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct settings {
    char qemu[PATH_MAX], qemu_img[PATH_MAX];
    char image_directory[PATH_MAX];
    char cpu[256]; /* QEMU's name of a model, with its properties */
    unsigned cpus;
    int64_t memory_bytes;
    int64_t disk_bytes; /* 0 = as large as the image's */
    enum accel accel;
    char bridge[IFNAMSIZ];   /* "" = user-mode networking */
    bool restricted;         /* no way out of the guest but the answers to who connects to it */
    unsigned port;           /* of the guest, that jobs connect to */
    int64_t boot_timeout_ms; /* until it answers there */
    bool snapshot;           /* restored from a frozen VM instead of booted */

    /* Of an image alone. */
    char disk[PATH_MAX], format[8];
    char kernel[PATH_MAX], initrd[PATH_MAX], append[2048], user_data[PATH_MAX];
};

void settings_init(struct settings *settings);

/* Lays the members of an object over what there is; keys that it does not know are none of its business. -EINVAL with a
 * sentence that names the key, and nothing is changed. */
int settings_lay_over(struct settings *settings, const json_t *object, struct error *err);
bool settings_know(const char *key);
/* The same for the description of an image, which may say all but where images are and which programs run them. */
int settings_lay_image_over(struct settings *settings, const json_t *object, struct error *err);
