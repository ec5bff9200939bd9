/* helper/stream.h - the other way for archives: through our own stdin and stdout, which the manager
 * reads and writes over SSH (docs/design/transfers.md). Commands ask whether they are in it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

bool stream_is_on(void);
/* No store is configured: nothing is sent. */
bool stream_has_store(void);

/* The line before an archive; `line` is taken. Negative errno. */
int stream_send_line(json_t *line);
/* `size` bytes of a file behind it; -EIO when the file became shorter. */
int stream_send_file(int fd, int64_t size);
/* All that is left on stdin goes into `fd`: how many bytes, or a negative errno. */
int64_t stream_receive(int fd);
