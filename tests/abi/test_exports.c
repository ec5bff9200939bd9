/* tests/abi/test_exports.c - each plugin named on the command line exports its entry symbol and
 * nothing else. */
#include <fcntl.h>
#include <flotilla/provider.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"

static void on_symbol(void *arg, const char *name)
{
    unsigned *others = arg;

    if (str_eq(name, FLT_PROVIDER_ENTRY))
        return;
    (void) fprintf(stderr, "exports %s\n", name);
    ++*others;
}

static int check(const char *file)
{
    autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct error err = { 0 };
    unsigned others = 0;

    if (fd < 0 || plugin_check_elf(fd, FLT_PROVIDER_ENTRY, &err) < 0 ||
        plugin_each_export(fd, on_symbol, &others, &err) < 0) {
        (void) fprintf(stderr, "%s: %s\n", file, fd < 0 ? strerror(errno) : err.message);
        return 1;
    }
    (void) printf("%s: %s\n", file, others == 0 ? "one symbol" : "exports more than its entry");
    return others == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++)
        failed |= check(argv[i]);
    return failed;
}
