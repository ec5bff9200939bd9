/* sdk/lib/watch.h - when a call of this folder has to end: its deadline, and somebody who cancels it. A provider
 * makes one from its host's table and its call, see flt_watch_call().
 */
#ifndef FLOTILLA_LIB_WATCH_H
#define FLOTILLA_LIB_WATCH_H

#include <flotilla/provider.h>
#include <stdint.h>

struct flt_watch {
    int64_t (*time_left_ms)(void *arg);
    int (*cancel_fd)(void *arg); /* readable when cancelled; -1 = nobody cancels */
    void *arg;
};

/* What flt_watch_call() points into; lives as long as the watch. */
struct flt_call_watch {
    const struct flt_host *host;
    flt_call *call;
};
struct flt_watch flt_watch_call(struct flt_call_watch *of);

/* Each takes NULL for a watch that never ends. */

/* FLT_OK, FLT_E_CANCELLED or FLT_E_TIMEOUT. */
int32_t flt_watch_ended(const struct flt_watch *watch);
/* Sleeps `ms`, or as much of it as is left: FLT_OK when it slept it all. */
int32_t flt_watch_sleep(const struct flt_watch *watch, int64_t ms);
/* Never negative; INT64_MAX = for ever. */
int64_t flt_watch_left_ms(const struct flt_watch *watch);
int flt_watch_cancel_fd(const struct flt_watch *watch); /* -1 = nobody cancels */

int64_t flt_monotonic_ms(void);
int64_t flt_wall_ms(void); /* since 1970 */

#endif
