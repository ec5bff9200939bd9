/* tests/harness/harness.h - what several unit tests need: directories that go away, descriptors
 * counted, and an operation repeated with its n-th allocation or system call failing.
 *
 * Include it after cmocka.h. Everything here fails the running test when it cannot do its work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"

/* A new empty directory below $TMPDIR; harness_remove_dir() deletes it with its contents. */
char *harness_temp_dir(void);
void harness_remove_dir(char *dir); /* frees `dir`, too; accepts NULL */
DEFINE_AUTO_PTR(char, harness_remove_dir)

/* DIR/NAME; the caller frees. */
char *harness_path(const char *dir, const char *name);
void harness_write(const char *dir, const char *name, const char *text);
void harness_copy(const char *from,
                  const char *to); /* a file of any bytes, which is not there yet */
char *harness_read(const char *dir, const char *name); /* the caller frees */

/* Descriptors this process has open. */
size_t harness_open_fds(void);

/* A TCP socket that listens on loopback. */
int harness_listen(uint16_t *ret_port);

/* For what cannot be undone, such as limits: in a child, whose exit status counts what is wrong. */
int harness_in_child(int (*check)(void));

/* An operation that gives back everything it took and returns 0 or a negative code. */
typedef int (*harness_operation)(void *arg);

/* Runs the operation with its first, second, third... allocation failing until it gets through
 * without a failure. Each failed run must return a negative code and leave no descriptor open; the
 * last must return 0. Returns how many allocations were made to fail: 0 in builds without seams. */
size_t harness_fail_each_allocation(harness_operation operation, void *arg);

/* The same for operations that get by without some of their memory: 0 is allowed, too. */
size_t harness_try_each_allocation(harness_operation operation, void *arg);

/* The same two for the system calls behind core/base/io.h, which fail with `error`. */
size_t harness_try_each_call(harness_operation operation, void *arg, int error);
size_t harness_fail_each_call(harness_operation operation, void *arg, int error);

/* The same with each call in turn moving one byte only: every run must return 0. */
size_t harness_shorten_each_call(harness_operation operation, void *arg);

/* Ends the running test as skipped; scripts/test counts it and shows the reason. */
#define harness_skip(why) (print_message("SKIP: %s\n", (why)), skip())

/* True in builds with -Dfaults=true. */
bool harness_has_faults(void);
/* First in a test of the seams. */
#define harness_need_faults()                                                                      \
    do                                                                                             \
        if (!harness_has_faults())                                                                 \
            harness_skip("this build has no -Dfaults=true");                                       \
    while (0)
