/* helper/extract.c - see extract.h. */
#include "helper/extract.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/autoclean.h"
#include "helper/archive/unpack.h"
#include "helper/say.h"

int extract_here(int archive_fd)
{
    autoclose int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error err = { 0 };

    if (here < 0)
        return say_fatal("Unable to get working directory");
    if (unpack_extract(archive_fd, here, NULL, &say_report, NULL, &err) < 0)
        return say_fatal("%s", err.message);
    return 0;
}
