/* helper/archive/unpack_internal.h - what the readers of zip and tar hand to the tree that they fill:
 * one entry after the other. The tree judges; a reader only reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "helper/archive/beneath.h"
#include "helper/archive/names.h"
#include "helper/archive/unpack.h"

enum unpack_kind { UNPACK_FILE, UNPACK_FOLDER, UNPACK_LINK, UNPACK_HARD_LINK, UNPACK_OTHER };

struct unpack_entry {
    enum unpack_kind kind;
    const char *name; /* as the archive has it; name_len bytes and a NUL */
    size_t name_len;
    const char *target; /* of both kinds of links */
    bool has_mode, has_time;
    mode_t mode;
    struct timespec mtime;
};

#define UNPACK_STEM 26

struct unpack {
    int dir_fd;
    const struct unpack_limits *limits;
    const struct report *report;
    struct unpack_result result;
    struct error *err;

    struct beneath tree;  /* where files go: through links that stay inside */
    struct beneath exact; /* where links go: through none */
    mode_t umask;
    uint64_t seen, names_bytes; /* entries, refused ones included */
    struct names names;         /* clean, of all that were let in */
    struct buf made; /* what to remove when it fails: a sign and a path, each with its NUL */
    struct buf links, folders; /* what comes last: see unpack_last.c */

    char temporary[64]; /* the file that is written now: UNPACK_STEM bytes and a number */
    uint64_t n_temporary;
    uint64_t file_bytes;
};

/* Judges an entry by its name and kind (hardening.md Z2, Z5). 0 and the clean path in *ret, which the
 * caller frees, or NULL when it was refused with a warning. Negative: the archive is refused. */
int unpack_admit(struct unpack *unpack, const struct unpack_entry *entry, char **ret);
/* The clean path of an entry that was let in before; NULL in *ret when it was not. */
int unpack_known(struct unpack *unpack, const char *name, char **ret);
/* A warning; negative when it is one too many. */
int unpack_refuse(struct unpack *unpack, const char *name, const char *why);
/* One sentence of a limit. */
int unpack_too_much(struct unpack *unpack, const char *what, uint64_t limit);

/* These return 0 when they refused the entry, too. */
int unpack_folder(struct unpack *unpack, const struct unpack_entry *entry, const char *path);
int unpack_link(struct unpack *unpack, const struct unpack_entry *entry, const char *path);
int unpack_hard_link(struct unpack *unpack, const struct unpack_entry *entry, const char *path);

/* A file is written under another name until it is whole: begin, write…, then keep or drop. *ret_fd
 * is -1 when it was refused; else the caller's to close. */
int unpack_file_begin(struct unpack *unpack, const char *path, int *ret_fd);
int unpack_file_write(struct unpack *unpack, int fd, const void *data, size_t len);
/* Of what is decompressed only to be passed over. */
int unpack_count(struct unpack *unpack, size_t len);
int unpack_file_keep(struct unpack *unpack, const struct unpack_entry *entry, const char *path,
                     int fd);
void unpack_file_drop(struct unpack *unpack, const char *path);

/* The folder of `path`, made with those above it where they are missing. Negative errno. */
int unpack_parent(struct unpack *unpack, struct beneath *beneath, const char *path,
                  const char **ret_name);
/* An errno that tells of what is in the way, not of a machine that is broken. */
bool unpack_in_the_way(int r);
int unpack_record(struct unpack *unpack, char sign, const char *path);

/* Links, then modes and times of folders. */
int unpack_do_last(struct unpack *unpack);
/* Removes all that was made. */
void unpack_undo(struct unpack *unpack);

int unpack_zip(struct unpack *unpack, int fd);
int unpack_tar(struct unpack *unpack, int fd);
