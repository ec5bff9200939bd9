/* tests/abi/test_exports.c - each plugin named on the command line, behind its entry symbol, exports that and
 * nothing else. */
#include <fcntl.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"

struct exports {
    const char *entry;
    unsigned others;
};

static void on_symbol(void *arg, const char *name)
{
    struct exports *exports = arg;

    if (str_eq(name, exports->entry))
        return;
    (void) fprintf(stderr, "exports %s\n", name);
    exports->others++;
}

static int check(const char *entry, const char *file)
{
    struct exports exports = { .entry = entry };
    autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct error err = { 0 };

    if (fd < 0 || plugin_check_elf(fd, entry, &err) < 0 ||
        plugin_each_export(fd, on_symbol, &exports, &err) < 0) {
        (void) fprintf(stderr, "%s: %s\n", file, fd < 0 ? strerror(errno) : err.message);
        return 1;
    }
    (void) printf("%s: %s\n", file,
                  exports.others == 0 ? "one symbol" : "exports more than its entry");
    return exports.others == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int failed = argc < 3;

    for (int i = 1; i + 1 < argc; i += 2)
        failed |= check(argv[i], argv[i + 1]);
    return failed;
}
