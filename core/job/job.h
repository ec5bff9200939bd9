/* core/job/job.h - one job as its worker knows it; for the files of core/job/ only.
 *
 * job.c is the job's life as a straight line; header.c writes the log's first lines; steps.c runs the
 * job's scripts; instance.c connects; directories.c knows where on the
 * instance the job works; stage.c runs one stage there, attempts.c waits for another attempt;
 * get_sources.c writes the git stage from git_settings.c; end.c has the words and the result;
 * settings.c turns the start frame into this struct.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/job/connect/ssh.h"
#include "core/job/report.h"
#include "core/job/trace/trace.h"
#include "core/job/variables.h"

struct job {
    struct report *report;
    struct trace *trace;
    struct ssh_conn *ssh;
    json_t *start, *payload, *runner, *slot,
        *connect; /* the last four are borrowed from the first */

    int64_t seq;
    const char *instance, *shell;
    const char *builds_root;   /* as configured: absolute, or relative to the login directory */
    char *project_dir;         /* below the root */
    char *build_dir, *tmp_dir; /* absolute; NULL until the root is known */
    struct variables variables;
    size_t skipped_variables;
    bool trace_script;              /* CI_DEBUG_TRACE */
    bool sections, script_sections; /* of stages; of commands with several lines */

    int64_t timeout_ms, deadline_ms; /* of the whole job; deadline on the monotonic clock */
    bool cancel_stops;               /* a cancel stops what runs now: until the steps have ended */
    bool canceled;                   /* it was consumed */
    enum report_going warned;        /* of what becomes of the instance */
};

enum end_kind {
    END_OK,
    END_EXIT, /* a command ended with a status other than 0 */
    END_TIMEOUT,
    END_CANCELED, /* gracefully: after_script still runs */
    END_ABORTED,  /* by GitLab: nothing more runs */
    END_SYSTEM,   /* lost instance, lost connection, our own failure */
    END_CONFIG,   /* the job asks for what we can't do */
};
struct end {
    enum end_kind kind;
    int exit_code;
    char message[400];
};

/* end.c */
static inline struct end end_ok(void)
{
    return (struct end) { .kind = END_OK };
}
struct end end_make(enum end_kind kind, const char *message);
/* The codes of ssh_exec() and ssh_open() as ends of a stage. */
struct end end_from_error(struct job *job, int code, const char *message);
void end_write_last_line(struct job *job, const struct end *end);
/* `log_errno`: why the log ends too early, or 0. Returns when the supervisor has stored the result, or
 * nobody will. */
void end_tell_result(struct job *job, const struct end *end, int log_errno);

/* For script_user_commands(). */
static inline const char *command_sections(const struct job *job, const char *name)
{
    return job->script_sections ? name : NULL;
}

/* settings.c */
/* Borrowed from `obj`, which may be NULL. */
const char *text_of(json_t *obj, const char *key, const char *fallback);
int job_settings(struct job *job, json_t *start, struct error *err); /* takes start */
int64_t job_output_limit(const struct job *job);                     /* bytes */
int job_open_trace(struct job *job, int spool_fd, struct error *err);
void job_done(struct job *job);

/* directories.c */
int directories_plan(struct job *job, struct error *err); /* sets them when the root is absolute */
struct end directories_find(struct job *job);             /* asks the instance when it is not */
int directories_set(struct job *job, const char *login_dir, struct error *err); /* its answer */
/* Names between slashes, none of them `.` or `..`, no control bytes (hardening.md V9). */
bool path_is_sound(const char *path, size_t len);

/* stage.c */
enum stage_flags { STAGE_VARIABLES = 1, STAGE_UNSTOPPABLE = 2 };
/* What the instance's shell is given for `body`. Negative when it can't be made. */
int stage_script(const struct job *job, const char *body, unsigned flags, struct buf *out);
/* Runs `body` on the instance inside a section of that name; one that could not be built whole is a
 * system failure: half a script does something else. `timeout_ms` 0 = the job's own. */
struct end stage_run(struct job *job, const char *name, const char *headline,
                     const struct buf *body, unsigned flags, int64_t timeout_ms);
/* The watch of every SSH wait of this job. */
struct ssh_watch stage_watch(struct job *job);

/* get_sources.c */
void get_sources_script(const struct job *job, struct buf *body);
void clear_worktree_script(const struct job *job, struct buf *body);
void cleanup_script(const struct job *job, struct buf *body);

/* going.c: the log's warning, once for each cause, when the cloud takes the instance. */
void going_warn(struct job *job, const struct report_orders *orders);

/* attempts.c */
/* How often a stage may be tried; says what is wrong with the variable. */
int64_t attempts_of(struct job *job, const char *variable);
/* The pause after so many attempts: END_OK, or what stopped it. */
struct end attempts_pause(struct job *job, int64_t tried);

/* instance.c */
struct end instance_connect(struct job *job);

/* header.c */
void header_write(struct job *job);

/* steps.c */
/* All steps but after_script, until one fails. */
struct end steps_run(struct job *job);
/* after_script, whatever became of the script; its failure changes the result only when the job says
 * so. */
struct end steps_run_after(struct job *job, struct end script);

/* job.c */
void job_run(struct job *job);
