/* helper/choice.h - the options that say which files: both archivers share them. */
#pragma once

#include <stdbool.h>

#include "helper/archive/selection.h"
#include "helper/options.h"

struct choice {
    struct option_list paths, excludes;
    bool untracked, verbose;
    /* filled by choice_make() */
    char *root;
    int root_fd;
    struct selection *selection;
};
#define CHOICE_INIT ((struct choice) { .root_fd = -1 })
extern const struct option choice_options[];

/* Negative when it failed, which has been said. */
int choice_make(struct choice *choice);
void choice_done(struct choice *choice);
#define auto_choice __attribute__((cleanup(choice_done)))
