/* sdk/check/watch.c - the kit's clock: raises the cancel when a call's time is over, and ends the
 * child when the plugin does not come back from it. One thread, one call at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "sdk/check/kit.h"

#define OVERDUE_MS 2000 /* as the supervisor would kill */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *verb; /* NULL: no call */
    int64_t cancel_mono_ms;
    bool raised;
} watched = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void wait_until(int64_t mono_ms)
{
    struct timespec at = { .tv_sec = mono_ms / 1000, .tv_nsec = (mono_ms % 1000) * 1000000 };

    (void) pthread_cond_timedwait(&watched.changed, &watched.lock, &at);
}

static _Noreturn void end_overdue(struct kit *kit)
{
    char text[256];

    (void) snprintf(text, sizeof(text),
                    "%s has not returned %d ms after its cancel; the rest cannot be checked",
                    watched.verb, OVERDUE_MS);
    kit_report(kit, "fail", kit->check, text);
    _exit(1);
}

static void *watch(void *arg)
{
    struct kit *kit = arg;

    (void) pthread_mutex_lock(&watched.lock);
    for (;;) {
        int64_t now = clock_mono_ms(&clock_system);

        if (!watched.verb) {
            (void) pthread_cond_wait(&watched.changed, &watched.lock);
        } else if (!watched.raised && now >= watched.cancel_mono_ms) {
            (void) eventfd_write(kit->cancel_fd, 1);
            watched.raised = true;
        } else if (!watched.raised) {
            wait_until(watched.cancel_mono_ms);
        } else if (now >= watched.cancel_mono_ms + OVERDUE_MS) {
            end_overdue(kit);
        } else {
            wait_until(watched.cancel_mono_ms + OVERDUE_MS);
        }
    }
    return NULL;
}

int watch_start(struct kit *kit)
{
    pthread_condattr_t attributes;
    pthread_t thread;

    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&watched.changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);
    return -pthread_create(&thread, NULL, watch, kit);
}

void watch_begin(struct kit *kit, const char *verb, int64_t cancel_mono_ms)
{
    (void) pthread_mutex_lock(&watched.lock);
    watched.verb = verb;
    watched.cancel_mono_ms = cancel_mono_ms;
    watched.raised = cancel_mono_ms <= clock_mono_ms(&clock_system);
    if (watched.raised)
        (void) eventfd_write(kit->cancel_fd, 1);
    (void) pthread_cond_signal(&watched.changed);
    (void) pthread_mutex_unlock(&watched.lock);
}

void watch_end(struct kit *kit)
{
    eventfd_t ignored;

    (void) pthread_mutex_lock(&watched.lock);
    watched.verb = NULL;
    (void) eventfd_read(kit->cancel_fd, &ignored);
    (void) pthread_mutex_unlock(&watched.lock);
}
