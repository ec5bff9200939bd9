/* core/base/host.c - the machine that we run on (host.h). */
#include "core/base/host.h"

#include <sys/utsname.h>

#include "core/base/str.h"

const char *host_architecture(void)
{
    static const struct {
        const char *kernel, *go;
    } words[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" },
                  { "armv6l", "arm" },   { "i686", "386" },      { "loongarch64", "loong64" } };
    static struct utsname system;

    (void) uname(&system);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(system.machine, words[i].kernel))
            return words[i].go;
    return system.machine;
}
