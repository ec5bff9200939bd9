/* core/exec/vm_image.h - the image of `flotilla exec --isolate vm`, and who may log in to VMs of it.
 */
#pragma once

#include "core/base/error.h"

/* As given on the command line; each may be NULL. */
struct vm_options {
    const char *image;    /* without .json or .qcow2, or with one of them */
    const char *user;     /* NULL = ci */
    const char *key;      /* NULL = the file `key` beside the image */
    const char *settings; /* for flotilla-nesting: a file of JSON or TOML */
};

struct vm_image {
    char *folder, *name; /* the name is that of a description or a disk in the folder */
    char *key;
    const char *user; /* of the options */
};

/* Looks at what is there: a sentence says what is missing and how to get it. */
int vm_image_find(const struct vm_options *options, struct vm_image *ret, struct error *err);
void vm_image_done(struct vm_image *image);
