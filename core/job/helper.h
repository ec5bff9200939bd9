/* core/job/helper.h - who carries a job's artifacts and caches (docs/design/transfers.md): a helper that is
 * on the instance, or one that we bring, whose archives pass through this connection. For artifacts.c and
 * cache.c; the way is chosen once a job, when the first stage needs it, and the log says why.
 */
#pragma once

#include "core/job/job.h"

/* What we bring is called so, in the job's own temporary directory. */
#define HELPER_FILE "flotilla-helper"

bool helper_is_needed(const struct job *job); /* it has files to carry */
/* Before the sandbox closes: opens what may have to be brought. */
void helper_open_files(struct job *job);
void helper_close_files(struct job *job);

/* Chooses; END_EXIT when the instance's shell fails, and a sentence of ours when it is the connection.
 * Afterwards job->helper.way is one of the ways. */
struct end helper_choose(struct job *job);

/* One command of the helper. */
struct helper_call {
    const char *command; /* "cache-extractor" */
    json_t *words;       /* its options in both ways */
    json_t *direct;      /* those of the direct way alone, each a name and a value */
    bool signs;          /* those are signed URLs: on a command line of the peer's alone */
    const char *token;   /* for that way, never on the command line; NULL = none */
    /* Of the way through the manager: what the supervisor is asked for; NULL = nothing is carried away. */
    json_t *request, *other_request; /* the other one when that was not found; NULL = none */
    bool upload;
    const char *file;               /* what a download that was cut leaves there; NULL = nothing */
    const char *done, *done_fields; /* the line when it has passed; NULL = none */
};
/* Runs it where the project is; its output goes to the log. END_EXIT when it failed. */
struct end helper_run(struct job *job, const struct helper_call *call);

/* What there is instead of the stage when nobody can carry: "Uploading artifacts". */
void helper_say_missing(struct job *job, const char *what);

enum helper_level { HELPER_INFO, HELPER_WARNING, HELPER_ERROR, HELPER_FATAL };
/* A line as a helper writes it (job-execution.md 8.5); `fields` is " key=value…" or "". */
void helper_line(struct job *job, enum helper_level level, const char *message, const char *fields);
