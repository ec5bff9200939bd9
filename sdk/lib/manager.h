/* sdk/lib/manager.h - which manager a call comes from, for providers that keep it beside the epoch. Used by plugins/aws and
 * plugins/gcp.
 */
#ifndef FLOTILLA_LIB_MANAGER_H
#define FLOTILLA_LIB_MANAGER_H

#include <flotilla/provider.h>
#include <stddef.h>

/* "ID@MACHINE"; "" without a name: a tool, or a host of 1.0. Lives as long as the call. */
const char *flt_manager_name(const struct flt_host *host, flt_call *call);
/* Of the ID: the machine may be given another name. */
size_t flt_manager_id_len(const char *name);

#endif
