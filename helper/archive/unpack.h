/* helper/archive/unpack.h - extracting an archive below a directory, and nowhere else, whatever it
 * says (hardening.md section 7).
 */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "helper/archive/report.h"

/* Real counts, not what the archive declares. One more than allowed ends the extraction, and what
 * this call has put into the tree is removed. */
struct unpack_limits {
    uint64_t entries;
    uint64_t total_bytes;
    uint64_t names_bytes; /* of all names together */
    uint64_t ratio;       /* bytes of an entry for each byte of its compressed form... */
    uint64_t ratio_from;  /* ...once it is longer than this */
    uint64_t refused;     /* entries that may not be extracted, until the archive is refused */
};
extern const struct unpack_limits unpack_limits_default; /* hardening.md Z2 and Z5 */

struct unpack_result {
    uint64_t entries, bytes; /* extracted */
    uint64_t refused;        /* entries left out, each with a warning */
};

/* Extracts the archive in the regular file `archive_fd` (a zip is read from its end) below dir_fd;
 * both stay the caller's. The format goes by the magic bytes; gzip is -ENOTSUP. What is refused and
 * skipped is a warning each; links come last, then times and modes of folders. An archive that is
 * damaged or hostile as a whole: -EBADMSG; over a limit: -EFBIG; each with a sentence. `limits` NULL =
 * the default; `ret` may be NULL. */
int unpack_extract(int archive_fd, int dir_fd, const struct unpack_limits *limits,
                   const struct report *report, struct unpack_result *ret, struct error *err);
