/* core/cli/service.h - what `flotilla run` tells the service manager that started it: that it is ready, reads its
 * configuration again, stops; what it is at, in a line; and that it is alive. Used by run.c alone; where nobody
 * asked (core/base/notify.h) nothing is sent.
 */
#pragma once

#include <uv.h>

#include "core/base/notify.h"
#include "core/supervisor/supervisor.h"

struct service {
    struct notify notify;
    uv_timer_t timer;
    struct supervisor *supervisor;
};

void service_open(struct service *service, uv_loop_t *loop);
/* It takes jobs from now on. */
void service_ready(struct service *service, struct supervisor *supervisor);
void service_reload(struct service *service); /* reads the configuration again, and says so */
void service_stopping(struct service *service);
void service_close(struct service *service); /* the supervisor is gone, or never was */
