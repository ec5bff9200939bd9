/* tests/fuzz/replay_main.c - runs a fuzz target over the files of its corpus, without a fuzzer.
 *
 * Usage: TARGET DIRECTORY… . Every file is one input; a target that finds a fault aborts. A corpus
 * without files is a failure, so that a wrong path does not pass as a test.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/fs.h"

#define INPUT_MAX ((size_t) 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(int dir_fd, const char *name)
{
    autobuf struct buf input = BUF_INIT;
    struct error err = { 0 };
    static const uint8_t empty;

    if (fs_read_file(dir_fd, name, INPUT_MAX, &input, &err) < 0) {
        (void) fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    return LLVMFuzzerTestOneInput(input.data ? (const uint8_t *) input.data : &empty, input.len);
}

/* How many files passed, or -1. */
static int replay_directory(const char *path)
{
    autoclosedir DIR *dir = opendir(path);
    const struct dirent *entry;
    int passed = 0;

    if (!dir) {
        perror(path);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay_file(dirfd(dir), entry->d_name) < 0) {
            (void) fprintf(stderr, "%s/%s: the target failed\n", path, entry->d_name);
            return -1;
        }
        passed++;
    }
    return passed;
}

int main(int argc, char **argv)
{
    int passed = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);

        if (count < 0)
            return 1;
        passed += count;
    }
    (void) printf("%d inputs\n", passed);
    return passed > 0 ? 0 : 1;
}
