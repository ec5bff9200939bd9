/* helper/archive/unpack.c - one archive into one directory, or nothing of it. */
#include "helper/archive/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/random.h"
#include "helper/archive/format.h"
#include "helper/archive/unpack_internal.h"

#define LIST_MAX ((size_t) 1 << 30)

const struct unpack_limits unpack_limits_default = {
    .entries = 1000000,
    .total_bytes = UINT64_C(50) << 30,
    .names_bytes = UINT64_C(64) << 20,
    /* hardening.md has 1,000. Deflate reaches 1,029 with nothing but zeros, and there are files of
     * zeros; nothing of deflate's reaches this. */
    .ratio = 1100,
    .ratio_from = 1 << 20,
    .refused = 100,
};

static mode_t current_umask(void)
{
    mode_t mask = umask(077);

    (void) umask(mask);
    return mask;
}

static int read_archive(struct unpack *unpack, int fd)
{
    enum pack_format format;
    int r = pack_format_detect(fd, &format, unpack->err);

    if (r < 0)
        return r;
    if (format == FORMAT_GZIP)
        return error_set(unpack->err, -ENOTSUP,
                         "the archive is gzip, which has no names and cannot be extracted");
    return format == FORMAT_TARZSTD ? unpack_tar(unpack, fd) : unpack_zip(unpack, fd);
}

static void name_temporaries(struct unpack *unpack)
{
    char random[17];

    rng_hex(&rng_system, random, 8);
    (void) snprintf(unpack->temporary, sizeof(unpack->temporary), ".flotilla-%s", random);
}

static void forget(struct unpack *unpack)
{
    beneath_done(&unpack->tree);
    beneath_done(&unpack->exact);
    names_done(&unpack->names);
    buf_done(&unpack->made);
    buf_done(&unpack->links);
    buf_done(&unpack->folders);
}

int unpack_extract(int archive_fd, int dir_fd, const struct unpack_limits *limits,
                   const struct report *report, struct unpack_result *ret, struct error *err)
{
    struct error own = { 0 }; /* what the caller's says already is none of ours */
    struct unpack unpack = {
        .dir_fd = dir_fd,
        .limits = limits ? limits : &unpack_limits_default,
        .report = report,
        .err = &own,
        .tree = BENEATH_INIT(dir_fd, BENEATH_INSIDE_LINKS),
        .exact = BENEATH_INIT(dir_fd, BENEATH_NO_LINKS),
        .umask = current_umask(),
        .made = { .max = LIST_MAX },
        .links = { .max = LIST_MAX },
        .folders = { .max = LIST_MAX },
    };
    int r;

    name_temporaries(&unpack);
    r = read_archive(&unpack, archive_fd);
    if (r == 0)
        r = unpack_do_last(&unpack);
    if (r < 0)
        unpack_undo(&unpack);
    if (r < 0 && err)
        *err = own;
    if (ret)
        *ret = unpack.result;
    forget(&unpack);
    return r;
}
