/* nestingd/qemu/image.h - an image by its name: a description NAME.toml or NAME.json, or a disk NAME.qcow2 that boots
 * by itself, below image_directory (docs/qemu-images.md).
 */
#pragma once

#include "core/base/buf.h"
#include "nestingd/call.h"
#include "nestingd/qemu/settings.h"

/* The settings for VMs of the image, its files by absolute paths. `name` may be anything. -ENOENT when there is
 * none. */
int image_find(const struct settings *defaults, const char *name, struct settings *ret,
               struct error *err);

/* How large its disk seems to be, by qemu-img. */
int image_disk_size(const struct settings *image, const struct call *call, int64_t *ret,
                    struct error *err);

/* Adds a line for each of the files that a VM is made from: another text when one was changed. */
int image_add_files(const struct settings *image, struct buf *out, struct error *err);
