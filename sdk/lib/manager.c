/* sdk/lib/manager.c - see manager.h. */
#include "sdk/lib/manager.h"

#include <string.h>

const char *flt_manager_name(const struct flt_host *host, flt_call *call)
{
    const char *name = NULL;

    if (host->struct_size > FLT_HOST_SIZE_1_0 && host->manager)
        name = host->manager(call);
    return name ? name : "";
}

size_t flt_manager_id_len(const char *name)
{
    return strcspn(name, "@");
}
