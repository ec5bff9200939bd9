/* signals.c - what an operator or a test tells the group by files, and the group its host, as a cloud
 * would by its own means:
 *
 *   STATE/instances/ID/interrupt   "30s the host is retired": the instance is taken after that time
 *   STATE/growth_fails             "no more today": the group does not grow while the file is there
 */

#include "local.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/duration.h"

#define INTERRUPT "interrupt"
#define GROWTH_FAILS "growth_fails"
#define LINE_MAX_LEN 512

/* The file's first line; false when there is none, or it is still empty. */
static bool read_line(int dir_fd, const char *name, char line[LINE_MAX_LEN])
{
    if (read_small(dir_fd, name, line, LINE_MAX_LEN) <= 0)
        return false;
    line[strcspn(line, "\n")] = '\0';
    return *line != '\0';
}

static bool read_interruption(struct flt_group *g, const char *id, char line[LINE_MAX_LEN])
{
    int fd = open_dir_at(g->instances_fd, id);
    bool found = fd >= 0 && read_line(fd, INTERRUPT, line);

    if (fd >= 0)
        (void) close(fd);
    return found;
}

/* Cuts "TIME SENTENCE" apart; returns the sentence. */
static const char *cut_time(char *line)
{
    char *rest = strchr(line, ' ');

    if (!rest)
        return "it is interrupted";
    *rest++ = '\0';
    return rest;
}

/* The first call that sees the file sets the clock; from then on it runs by itself. The lock is held. */
static int32_t arm(struct flt_group *g, flt_call *call, struct local_instance *in)
{
    char line[LINE_MAX_LEN];
    int64_t after_ms = 0;

    if (in->interrupted_wall_ms != 0 || in->deleting || in->failure == LOCAL_FAILURE_NEVER_BOOTS ||
        !read_interruption(g, in->id, line))
        return FLT_OK;
    (void) cut_time(line);
    if (flt_duration_parse(line, &after_ms) < 0)
        return flt_failf(g->host, call, FLT_E_PARTIAL, 0,
                         "%s/instances/%s/" INTERRUPT ": '%.32s' is no duration such as 30s",
                         g->dir, in->id, line);
    in->interrupted_wall_ms = clock_wall_ms() + after_ms;
    in->failure = LOCAL_FAILURE_DIES;
    in->end_ms = clock_boot_ms() + after_ms;
    return machine_arm(g, call, in);
}

/* A file that says nothing of use keeps no other from being heard. */
static int32_t arm_all(struct flt_group *g, flt_call *call, struct local_instances *all)
{
    int32_t code = FLT_OK, result = FLT_OK;
    int lock = -1;

    if (!store_try_lock(g, &lock))
        return FLT_OK; /* somebody changes the group: the next call does it */
    for (size_t i = 0; (code == FLT_OK || code == FLT_E_PARTIAL) && i < all->n; i++) {
        code = arm(g, call, &all->items[i]);
        if (code != FLT_OK)
            result = code;
    }
    (void) close(lock);
    return result;
}

static int32_t emit_interruption(struct flt_group *g, const struct local_instance *in,
                                 flt_signal_sink sink, void *arg)
{
    struct flt_signal signal = { .struct_size = sizeof(signal),
                                 .code = FLT_E_UNHEALTHY,
                                 .instance = in->id,
                                 .at_ms = in->interrupted_wall_ms };
    char line[LINE_MAX_LEN] = "";

    if (in->interrupted_wall_ms == 0 || in->deleting || clock_boot_ms() >= in->end_ms)
        return FLT_OK;
    (void) read_interruption(g, in->id, line);
    signal.text = cut_time(line);
    return sink(arg, &signal) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

/* When the file was written is when growth failed: a failure counts once. */
static int32_t emit_growth(struct flt_group *g, flt_signal_sink sink, void *arg)
{
    struct flt_signal signal = { .struct_size = sizeof(signal), .code = FLT_E_QUOTA };
    char line[LINE_MAX_LEN];
    struct stat st;

    if (!read_line(g->dir_fd, GROWTH_FAILS, line) ||
        fstatat(g->dir_fd, GROWTH_FAILS, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return FLT_OK;
    signal.text = line;
    signal.at_ms = (int64_t) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return sink(arg, &signal) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

int32_t signals_emit(struct flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    struct local_instances all;
    int32_t code = store_load(g, call, &all), armed;

    if (code != FLT_OK)
        return code;
    armed = arm_all(g, call, &all);
    for (size_t i = 0; code == FLT_OK && i < all.n; i++) {
        code = emit_interruption(g, &all.items[i], sink, arg);
        if (code == FLT_OK)
            code = flt_call_ended(g->host, call);
    }
    if (code == FLT_OK)
        code = emit_growth(g, sink, arg);
    instances_done(&all);
    return code == FLT_OK ? armed : code;
}

int32_t signals_admit_growth(struct flt_group *g, flt_call *call)
{
    char line[LINE_MAX_LEN];

    return read_line(g->dir_fd, GROWTH_FAILS, line)
               ? flt_failf(g->host, call, FLT_E_QUOTA, 0, "%s", line)
               : FLT_OK;
}
