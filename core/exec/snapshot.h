/* core/exec/snapshot.h - the local repository as it is now, as a bare repository that jobs can
 * fetch from.
 *
 * HEAD and the uncommitted changes of tracked files. The user's repository is only read: its
 * objects are borrowed (objects/info/alternates), new ones go into the bare repository. The history
 * of a shallow clone is left out, because nobody can fetch from one.
 */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

struct snapshot {
    char *url;            /* file:///… */
    char *top;            /* the work tree's root */
    char *sha;            /* what jobs check out */
    char *head;           /* the commit it is based on */
    char *ref;            /* the branch's name; without one the tag, or "detached" */
    bool detached;        /* there is no branch */
    char *default_branch; /* of the remote, else the branch; NULL without one */
    /* Of the commit `head`; NULL when they are no UTF-8 text. */
    char *message, *author, *timestamp;
    char *tag;                    /* that `head` has, when there is no branch; NULL without one */
    char *user_name, *user_email; /* as git knows the person; may be NULL */
    char *bare;                   /* the repository at `url`, as a path */
    char *object_format;          /* "sha1" */
    bool changed;                 /* there were uncommitted changes */
};

/* The root of the work tree that `dir` is in; the caller frees. */
int snapshot_find_top(const char *dir, char **ret, struct error *err);

/* `dir` is in the work tree, `bare` a path that does not exist yet, in a private directory. */
int snapshot_take(const char *dir, const char *bare, struct snapshot *ret, struct error *err);
/* Afterwards the bare repository needs no other, and can be fetched file by file (coordinator_git.h). */
int snapshot_make_files(const struct snapshot *snapshot, struct error *err);
void snapshot_done(struct snapshot *snapshot);
