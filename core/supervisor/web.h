/* core/supervisor/web.h - the handlers of what is served on listen_address; `arg` is the supervisor. */
#pragma once

#include "core/supervisor/internal.h"
#include "core/web/server.h"

/* metrics.c */
void web_answer_metrics(void *arg, struct web_request *request);
/* web_jobs.c */
void web_answer_jobs(void *arg, struct web_request *request);
/* web_health.c */
void web_answer_live(void *arg, struct web_request *request);
void web_answer_ready(void *arg, struct web_request *request);
void web_answer_process_state(void *arg, struct web_request *request);
/* As GitLab Runner names them: "starting", "running", "graceful-shutdown", "forceful-shutdown". */
const char *web_process_state(const struct supervisor *supervisor);
