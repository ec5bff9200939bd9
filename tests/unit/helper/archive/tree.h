/* tests/unit/helper/archive/tree.h - small trees of files, what was said about them, and whether two are
 * the same. */
#pragma once

#include "core/base/buf.h"
#include "helper/archive/report.h"
#include "helper/archive/selection.h"
#include "tests/harness/harness.h"

struct said {
    struct buf text; /* a line each, with its level: "warning: …" */
};
struct report said_report(struct said *said);
void said_done(struct said *said);

int tree_open(const char *dir); /* fails the test */

/* First in a test in which links are followed: that takes openat2(), which old kernels, filters of containers
 * and valgrind do not know. */
#define tree_need_openat2()                                                                        \
    do                                                                                             \
        if (!tree_has_openat2())                                                                   \
            harness_skip("openat2() is not known here");                                           \
    while (0)
bool tree_has_openat2(void);

void tree_folder(const char *dir, const char *path);
void tree_link(const char *dir, const char *path, const char *target);
/* "a b/ b/c" : files have their path as contents. */
void tree_make(const char *dir, const char *paths);

/* All of the paths, sorted, with a space between: what find prints, without the tree itself. */
char *tree_list(const char *dir);

/* The same entries with the same contents, modes and times to the second; else the test fails. */
void tree_assert_same(const char *a, const char *b);

/* Everything below dir, as `paths: ["."]` selects it. */
struct selection *tree_select(const char *dir, int fd);
