/* core/supervisor/web_page.h - the status page's side of the supervisor: what its routes answer (core/web/server.h).
 *
 *   web_page.c     the handlers of its routes
 *   web_status.c   all that the page shows, as things of core/web/events.h
 *   web_history.c  one sample a minute, for the plots
 *   web_log.c      the end of a job's log, as it grows
 */
#pragma once

#include "core/supervisor/internal.h"
#include "core/web/events.h"
#include "core/web/server.h"

struct web_page {
    struct web_events *events;
    struct web_history *history;
    struct web_logs *logs;
};

/* Handlers; `arg` is the supervisor. */
void web_page_lead(void *arg, struct web_request *request); /* to where the page is */
void web_page_events(void *arg, struct web_request *request);
void web_page_log(void *arg, struct web_request *request);
void web_page_history(void *arg, struct web_request *request);
void web_page_explain(void *arg, struct web_request *request);

int web_page_start(struct supervisor *supervisor, struct error *err);
void web_page_turn(struct supervisor *supervisor); /* at each turn */
/* Behind the server's end: nobody watches any more. */
void web_page_stop(struct supervisor *supervisor);

/* web_status.c: a fill function (core/web/events.h); its argument is the supervisor. */
void web_status_fill(void *arg, struct web_events *events);

/* web_history.c */
struct web_history;
/* What a former run took goes on. */
struct web_history *web_history_new(int dir_fd, int64_t now_ms);
void web_history_free(struct web_history *history); /* accepts NULL */
/* Takes a sample once a minute. */
void web_history_turn(struct web_history *history, const struct supervisor *supervisor);
/* When the last one was taken; 0 = none was. */
int64_t web_history_last_ms(const struct web_history *history);
/* {"columns":[…],"rows":[[…],…]}: the samples behind that time. */
void web_history_format(const struct web_history *history, int64_t after_ms, struct buf *out);

/* web_log.c */
struct web_logs;
struct web_logs *web_logs_new(struct supervisor *supervisor);
void web_logs_close(struct web_logs *logs); /* frees itself; nobody reads any more; accepts NULL */
/* Answers with a stream of events: `text` with {"text":…,"skipped":N}, at last `end` with {"sentence":…}. */
void web_logs_open(struct web_logs *logs, struct web_request *request);
