/* core/exec/coordinator_artifacts.h - uploads and downloads of artifacts (coordinator-protocol.md 1.11 and
 * 1.12), for coordinator.c, which has looked at the job and its token.
 */
#pragma once

#include "core/exec/artifact_store.h"
#include "core/exec/http_server.h"

/* The body is about to come. */
void artifacts_receive(struct artifact_store *store, struct http_request *request, int64_t job_id,
                       const char *token);
/* It is there. Negative with a sentence, which is in the answer too, when nothing is kept. */
int artifacts_answer_upload(struct http_request *request, struct error *err);
void artifacts_answer_download(const struct artifact_store *store, struct http_request *request,
                               int64_t job_id);
