/* core/store/timeline.c - wall time without steps (timeline.h). */
#include "core/store/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36

static int64_t timeline_mono(void *ctx)
{
    return clock_mono_ms(((struct timeline *) ctx)->source);
}

static int64_t timeline_wall(void *ctx)
{
    const struct timeline *timeline = ctx;

    return timeline->base_ms + clock_mono_ms(timeline->source);
}

/* "BOOT-ID BASE\n" */
static bool read_base(int dir_fd, const char *boot_id, int64_t *ret)
{
    autobuf struct buf text = BUF_INIT;
    char line[96];

    if (fs_read_file(dir_fd, "clock", sizeof(line) - 1, &text, NULL) < 0 ||
        str_copy(line, sizeof(line), buf_str(&text)) < 0 || !str_starts(line, boot_id) ||
        line[BOOT_ID_LEN] != ' ')
        return false;
    line[strcspn(line, "\n")] = '\0';
    return parse_i64(line + BOOT_ID_LEN + 1, INT64_MIN / 2, INT64_MAX / 2, ret) == 0;
}

int timeline_open(struct timeline *timeline, int dir_fd, const struct clock *source,
                  struct error *err)
{
    autobuf struct buf boot = BUF_INIT, line = BUF_INIT;
    char boot_id[BOOT_ID_LEN + 1];
    int r;

    *timeline = (struct timeline) { { timeline_mono, timeline_wall, timeline }, source, 0 };
    timeline->base_ms = clock_wall_ms(source) - clock_mono_ms(source);
    r = fs_read_file(AT_FDCWD, BOOT_ID_FILE, 64, &boot, err);
    if (r < 0)
        return r;
    (void) snprintf(boot_id, sizeof(boot_id), "%.*s", BOOT_ID_LEN, buf_str(&boot));
    if (strlen(boot_id) != BOOT_ID_LEN)
        return error_set(err, -EINVAL, BOOT_ID_FILE ": is no boot id");
    if (read_base(dir_fd, boot_id, &timeline->base_ms))
        return 0;
    buf_addf(&line, "%s %" PRId64 "\n", boot_id, timeline->base_ms);
    return fs_replace_file(dir_fd, "clock", buf_str(&line), line.len, 0600, err);
}
