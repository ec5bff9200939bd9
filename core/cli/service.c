/* core/cli/service.c - the manager's words to the service manager (service.h).
 *
 * The watchdog hears of us only from a turn of the loop in which the ledger answered: a manager that hangs, or
 * cannot note what it does, is started anew, and its jobs are adopted. */
#include "core/cli/service.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define LOG_TOPIC "run"
#include "core/base/log.h"

#define STATUS_MS 5000

static void send_lines(const struct service *service, const char *lines)
{
    int r = notify_send(&service->notify, lines);

    if (r < 0)
        log_debug("the service manager does not hear us: %s", strerror(-r));
}

static void on_timer(uv_timer_t *timer)
{
    const struct service *service = timer->data;
    autobuf struct buf lines = BUF_INIT;
    struct error err = { 0 };

    if (supervisor_check(service->supervisor, &err) < 0)
        log_warning("%s: the service manager is not told that the manager is alive", err.message);
    else
        buf_add_str(&lines, "WATCHDOG=1\n");
    buf_add_str(&lines, "STATUS=");
    supervisor_describe(service->supervisor, &lines);
    if (buf_error(&lines) == 0)
        send_lines(service, buf_str(&lines));
}

void service_open(struct service *service, uv_loop_t *loop)
{
    struct error err = { 0 };

    if (notify_open(&service->notify, &err) < 0)
        log_warning("%s, so the service manager hears nothing, ignoring", err.message);
    (void) uv_timer_init(loop, &service->timer);
    service->timer.data = service;
}

void service_ready(struct service *service, struct supervisor *supervisor)
{
    int64_t every_ms = STATUS_MS;

    service->supervisor = supervisor;
    if (!notify_is_wanted(&service->notify))
        return;
    send_lines(service, "READY=1");
    if (service->notify.watchdog_ms > 0)
        every_ms = MIN(every_ms, MAX(service->notify.watchdog_ms / 2, (int64_t) 1));
    (void) uv_timer_start(&service->timer, on_timer, 0, (uint64_t) every_ms);
}

void service_reload(struct service *service)
{
    (void) notify_reloading(&service->notify);
    supervisor_reload(service->supervisor);
    send_lines(service, "READY=1");
}

void service_stopping(struct service *service)
{
    send_lines(service, "STOPPING=1");
}

void service_close(struct service *service)
{
    notify_close(&service->notify);
    uv_close((uv_handle_t *) &service->timer, NULL);
}
