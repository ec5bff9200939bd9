/* helper/archive/pack.h - writing an archive of a selection, as a stream: no temporary files, memory
 * that does not grow with the files.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "helper/archive/format.h"
#include "helper/archive/report.h"
#include "helper/archive/selection.h"

struct pack_sink {
    /* All of `data` or a negative errno, which ends the archive. */
    int (*write)(void *ctx, const void *data, size_t len);
    void *ctx;
};

/* Writes to a descriptor: `fd` must outlive the sink. */
struct pack_sink pack_sink_fd(const int *fd);

struct pack_request {
    enum pack_format format;
    enum pack_level level;
    int root_fd; /* what the selection's paths are relative to */
    const struct selection *selection;
};

/* Writes the archive. Links are kept as links; sockets, devices and pipes are left out silently. A
 * file that vanished or cannot be read is an error that names it, as is one that is more or less than
 * GZIP and RAW can hold ("only one file can be sent as raw"). Says a warning when a part of a .git
 * folder is in it. *ret_bytes (may be NULL): how long the archive is. */
int pack_write(const struct pack_request *request, const struct pack_sink *sink,
               const struct report *report, uint64_t *ret_bytes, struct error *err);
