/* nestingd/qemu/template.h - the frozen guest of an image, from which others are restored in a second: a folder with
 * its lock, and in it what was frozen: a disk, the state of the machine, and the text that says what that was made
 * from. When that changes the frozen one is of no use.
 */
#pragma once

#include "core/base/error.h"

enum template_state {
    TEMPLATE_READY,  /* and it stays as long as we hold it */
    TEMPLATE_ABSENT, /* to be made by us: nobody else uses the folder */
    TEMPLATE_BUSY    /* others make one, or use one that is outdated: do without */
};

struct template
{
    char *folder, *frozen, *disk, *state, *made_from; /* paths */
    int lock_fd;
    enum template_state is;
};

/* `parent` holds those of all images. Never waits. */
int template_take(const char *parent, const char *image, const char *made_from,
                  struct template *ret, struct error *err);
/* The guest's folder becomes what others are restored from: TEMPLATE_READY. */
int template_fill(struct template *template, const char *guest, const char *made_from,
                  struct error *err);
/* It is broken: away with it, unless others are using it. TEMPLATE_BUSY then. */
void template_drop(struct template *template);
void template_release(struct template *template);

#define auto_template __attribute__((cleanup(template_release)))
