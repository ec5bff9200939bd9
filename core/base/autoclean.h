/* core/base/autoclean.h - cleanup attributes: a variable that owns something says so where it is
 * declared.
 *
 * Cleanups keep errno. take_ptr() and take_fd() hand ownership over and leave the variable empty.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Defines cleanup_NAME() for a type whose destructor accepts NULL; use as `auto_ptr(NAME) type *p =
 * NULL`. */
#define DEFINE_AUTO_PTR(type, destructor)                                                          \
    static inline void cleanup_##destructor(type **p)                                              \
    {                                                                                              \
        int saved = errno;                                                                         \
        if (*p)                                                                                    \
            destructor(*p);                                                                        \
        errno = saved;                                                                             \
    }
#define auto_ptr(destructor) __attribute__((cleanup(cleanup_##destructor)))

static inline void cleanup_free(void *p)
{
    int saved = errno;

    free(*(void **) p);
    errno = saved;
}

static inline void cleanup_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void) close(*fd);
    errno = saved;
}

static inline void cleanup_fclose(FILE **file)
{
    int saved = errno;

    if (*file)
        (void) fclose(*file);
    errno = saved;
}

static inline void cleanup_closedir(DIR **dir)
{
    int saved = errno;

    if (*dir)
        (void) closedir(*dir);
    errno = saved;
}

#define autofree __attribute__((cleanup(cleanup_free)))
#define autoclose __attribute__((cleanup(cleanup_close)))
#define autofclose __attribute__((cleanup(cleanup_fclose)))
#define autoclosedir __attribute__((cleanup(cleanup_closedir)))

#define take_ptr(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) *take_from_ = &(p);                                                          \
        __typeof__(p) taken_ = *take_from_;                                                        \
        *take_from_ = NULL;                                                                        \
        taken_;                                                                                    \
    })

static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}
