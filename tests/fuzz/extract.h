/* tests/fuzz/extract.h - an archive of any bytes is extracted next to something that must stay as it is, and
 * into where links lead there already. For fuzz_zip_reader.c and fuzz_tar_reader.c. */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/unpack.h"

static const struct unpack_limits extract_limits = {
    .entries = 200,
    .total_bytes = 1 << 20,
    .names_bytes = 1 << 16,
    .ratio = 1100,
    .ratio_from = 1 << 14,
    .refused = 100,
};

static void extract_require(bool good, const char *what)
{
    if (good)
        return;
    (void) fprintf(stderr, "extracting: %s\n", what);
    abort();
}

/* How many entries a folder has. */
static int extract_count(int dir_fd, const char *name)
{
    autoclosedir DIR *dir = fs_open_dir(dir_fd, name);
    const struct dirent *entry;
    int n = 0;

    extract_require(dir != NULL, "a folder is gone");
    while ((entry = readdir(dir)) != NULL)
        n += !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
    return n;
}

/* base/in is extracted to; base/out has one file. */
static void extract_prepare(int base)
{
    autoclose int kept = -1;

    extract_require(mkdirat(base, "in", 0700) == 0 && mkdirat(base, "out", 0700) == 0, "mkdir");
    kept = openat(base, "out/kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    extract_require(kept >= 0 && write(kept, "kept", 4) == 4, "write");
    extract_require(symlinkat("../out", base, "in/l") == 0, "symlink");
}

static void extract_check(int base, int result, const struct error *err)
{
    char kept[8] = "";
    autoclose int fd = openat(base, "out/kept", O_RDONLY | O_CLOEXEC);
    struct stat st;

    extract_require(result == 0 || *err->message, "a refusal without a sentence");
    extract_require(extract_count(base, ".") == 2, "something is beside the folder");
    extract_require(extract_count(base, "out") == 1, "something is in the other folder");
    extract_require(fd >= 0 && read(fd, kept, sizeof(kept)) == 4 && memcmp(kept, "kept", 4) == 0,
                    "the other folder's file is another");
    extract_require(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_nlink == 1,
                    "the other folder's file has another mode or name");
    extract_require(fstatat(base, "out", &st, 0) == 0 && (st.st_mode & 0777) == 0700,
                    "the other folder has another mode");
}

static void extract_into(int base, const void *data, size_t size)
{
    autoclose int archive = memfd_create("archive", MFD_CLOEXEC);
    autoclose int in = openat(base, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error err = { 0 };
    int r;

    extract_require(archive >= 0 && in >= 0 && fs_write_all(archive, data, size) == 0, "memfd");
    r = unpack_extract(archive, in, &extract_limits, NULL, NULL, &err);
    extract_check(base, r, &err);
    if (r < 0)
        extract_require(extract_count(base, "in") <= 1, "what failed left something behind");
}

static void extract_anything(const void *data, size_t size)
{
    char path[] = "/dev/shm/flotilla-fuzz-XXXXXX", other[] = "/tmp/flotilla-fuzz-XXXXXX";
    const char *made = mkdtemp(path) ? path : mkdtemp(other);
    autoclose int base = made ? open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    extract_require(base >= 0, "no folder to work in");
    extract_prepare(base);
    beneath_pretend_old_kernel(size % 2 == 1);
    extract_into(base, data, size);
    extract_require(fs_remove_tree(AT_FDCWD, made) == 0, "the folder cannot be removed");
}
