/* core/job/job.h - one job as its worker knows it; for the files of core/job/ only.
 *
 * job.c is the job's life as a straight line. Before it, settings.c turns the start frame into this struct, with
 * flags.c, inputs.c and directories.c. Then, as job.c calls them: header.c writes the log's first lines, instance.c
 * connects, vm.c makes the VM that it runs in (vm_image.c says of what, isolation.c asks the plugin), get_sources.c
 * writes the git stage from git_settings.c, cache.c and artifacts.c are the stages of files, steps.c runs the job's
 * scripts, end.c has the words and the result. They run their scripts by stage.c, and again by attempts.c; terminal.c is
 * a person's shell beside them; files are carried by helper.c, through the connection by stream.c. going.c warns of a
 * cloud that takes the instance; report.c and supply.c talk to the supervisor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/feature_flags.h"
#include "core/base/json.h"
#include "core/job/connect/remote.h"
#include "core/job/isolation.h"
#include "core/job/report.h"
#include "core/job/shell/shell.h"
#include "core/job/trace/trace.h"
#include "core/job/variables.h"

enum end_kind {
    END_OK,
    END_EXIT,        /* a command ended with a status other than 0 */
    END_TIMEOUT,     /* of the whole job */
    END_LIMIT,       /* a shorter one's, of a stage or the script */
    END_CANCELED,    /* gracefully: after_script still runs */
    END_ABORTED,     /* by GitLab: nothing more runs */
    END_INTERRUPTED, /* the same, because the manager was told to stop its jobs */
    END_SYSTEM,      /* lost instance, lost connection, our own failure */
    END_CONFIG,      /* the job asks for what we can't do */
};
struct end {
    enum end_kind kind;
    int exit_code;
    char message[400];
};

/* What packs and unpacks where no helper can be (packer.h): a shell's language, and what it calls our directories. */
struct packer {
    const struct shell *shell; /* NULL = nothing does */
    char *build_dir, *tmp_dir, *cache_dir;
};

/* helper.h */
#define HELPER_MACHINES 2
struct helper {
    enum helper_way { HELPER_UNKNOWN, HELPER_DIRECT, HELPER_STREAM, HELPER_NOBODY } way;
    const char *program;  /* on the instance; NULL = none that answers */
    struct packer packer; /* of the way through the manager without a helper */
    char machine[64];     /* "Linux x86_64" */
    struct helper_file {
        int fd; /* negative = there is none, because of that */
        char why[200];
    } files[HELPER_MACHINES]; /* the programs that we can bring, for each kind of machine */
};

struct job {
    struct report *report;
    struct trace *trace;
    struct remote *remote; /* to where its scripts run: the instance, or a VM there */
    json_t *start, *payload, *runner, *slot,
        *connect; /* the last four are borrowed from the first */

    int64_t seq;
    const char *instance;
    const struct shell *shell;
    bool nested_shell;         /* what reads our commands there is a PowerShell */
    const char *builds_root;   /* as configured: absolute, or relative to the login directory */
    char *project_dir;         /* below the root */
    char *cache_path;          /* below cache_dir: neither slot nor token, so that all share it */
    char *build_dir, *tmp_dir; /* absolute; NULL until the root is known */
    char *cache_dir;           /* the same, of the project's caches */
    struct variables variables;
    struct end refused;       /* END_CONFIG: its settings rule it out */
    unsigned inputs_used;     /* texts of the payload that inputs were put into */
    const char *inputs_error; /* why they could not: "parse", "evaluation"; NULL = they could */
    bool flags[FEATURE_FLAG_COUNT];
    struct buf warnings; /* for the log's beginning */
    bool trace_script;   /* CI_DEBUG_TRACE */
    bool sections;       /* of stages */

    int64_t timeout_ms, deadline_ms; /* of the whole job; deadline on the monotonic clock */
    int64_t after_script_ms;         /* how long after_script may take */
    bool cancel_stops;               /* a cancel stops what runs now: until the steps have ended */
    bool canceled;                   /* it was consumed */
    bool lost;                /* the connection, or what it leads to: nothing more runs there */
    enum report_going warned; /* of what becomes of the instance */
    struct helper helper;

    /* terminal.c; NULL where the manager has no session server */
    struct pty *pty;
    struct filter *terminal_filter; /* of what it shows */
    int terminal_fd;                /* of a person who waits for a shell; -1 = nobody does */
    enum { TERMINAL_EARLY, TERMINAL_READY, TERMINAL_OVER } terminal_phase;
    int64_t session_timeout_ms; /* how long a person may keep a job that has ended */

    /* vm.h; with VM isolation alone */
    struct isolation *isolation; /* the process of the plugin that makes the VM */
    json_t *isolation_settings;  /* borrowed from the start frame; NULL = it runs on the instance */
    struct relay *relay;         /* the instance's connection, once there is to be a VM */
    char *vm_image;
    struct isolation_vm vm; /* its id is empty while there is none */
    bool unclean;           /* one may be left on the instance */
};

/* end.c */
static inline struct end end_ok(void)
{
    return (struct end) { .kind = END_OK };
}
struct end end_make(enum end_kind kind, const char *message);
/* The codes of remote_exec() and remote_open() as ends of a stage. */
struct end end_from_error(struct job *job, int code, const char *message);
/* Whether such a code ends more than what was asked for: the job was stopped or is out of time, or its
 * connection is gone. */
bool end_is_for_all(const struct job *job, int code);
/* Gives a limit that ended something its name; any other end is left as it is. */
struct end end_name_limit(struct end end, const char *what, int64_t limit_ms);
void end_write_last_line(struct job *job, const struct end *end);
/* `log_errno`: why the log ends too early, or 0. Returns when the supervisor has stored the result, or
 * nobody will. */
void end_tell_result(struct job *job, const struct end *end, int log_errno);

/* How the job's own commands are written, in sections of that name. */
static inline struct script_commands job_commands(const struct job *job, const char *name)
{
    return (struct script_commands) {
        .sections = job->sections && job->flags[FF_SCRIPT_SECTIONS] ? name : NULL,
        .check_status = job->flags[FF_ENABLE_BASH_EXIT_CODE_CHECK],
    };
}

/* settings.c */
/* Borrowed from `obj`, which may be NULL. */
const char *text_of(json_t *obj, const char *key, const char *fallback);
int job_settings(struct job *job, json_t *start, struct error *err); /* takes start */
/* A variable that is true or false; what is neither is warned of. */
bool setting_bool(struct job *job, const char *name, bool fallback);
int64_t job_output_limit(const struct job *job); /* bytes */
int job_open_trace(struct job *job, int spool_fd, struct error *err);
void job_done(struct job *job);

/* directories.c */
int directories_plan(struct job *job, struct error *err); /* sets them when the root is absolute */
/* Asks the instance when it is not; until_ms as of stage_run(). */
struct end directories_find(struct job *job, int64_t until_ms);
int directories_set(struct job *job, const char *login_dir, struct error *err); /* its answer */
/* Adds to what a command printed and keeps the last of it: a profile may print any amount. */
#define OUTPUT_KEPT 8192
int output_keep(struct buf *out, const void *data, size_t len);
/* The last line of what a command printed: what a profile prints comes before it. NULL when it was cut. */
char *output_last_line(struct buf *out);
/* Names between slashes, none of them `.` or `..`, no control bytes (hardening.md V9). */
bool path_is_sound(const char *path, size_t len);

/* stage.c */
enum stage_flags {
    STAGE_VARIABLES = 1,
    STAGE_UNSTOPPABLE = 2,
    STAGE_UNTRACED = 4, /* no debug trace: what it would show is no variable, and has no mask */
};
/* What the instance's shell is given for `body`. Negative when it can't be made. */
int stage_script(const struct job *job, const char *body, unsigned flags, struct buf *out);
/* Runs `body` on the instance inside a section of that name; one that could not be built whole is a
 * system failure: half a script does something else. Until then on the monotonic clock; 0 = for the
 * job's own time. */
struct end stage_run(struct job *job, const char *name, const char *headline,
                     const struct buf *body, unsigned flags, int64_t until_ms);
/* The earlier of that and the job's own deadline. */
int64_t stage_deadline(const struct job *job, int64_t until_ms);
/* own_begin() of the job's shell, and the job's variables of hostile names are gone, too; own_end() ends it. */
void stage_own_begin(const struct job *job, struct buf *body);
/* Inside of it: text for sh. */
void stage_own_sh(const struct job *job, struct buf *body, const struct buf *text, bool needs_git);
/* Its parts, for a stage that runs more than a script or none. */
void stage_begin(struct job *job, const char *name, const char *headline);
void stage_end(struct job *job, const char *name, const struct end *end);
/* stdout goes to `out` where there is one, else to the log as stderr does. */
struct end stage_execute(struct job *job, const struct buf *body, unsigned flags,
                         int64_t deadline_ms, struct buf *out);
struct end stage_exit(const struct remote_exit *exit);
/* Ends what runs on the instance, by the process id in the job's directory. */
void stage_kill(struct job *job);
/* For waits for the supervisor: why they must end, or 0; the connection is served meanwhile. */
int stage_wait(void *job);
/* The watch of every SSH wait of this job, and that of what nothing stops but a deadline. */
struct remote_watch stage_watch(struct job *job);
struct remote_watch stage_watch_unstoppable(struct job *job);

/* get_sources.c and its parts (get_sources.h) */
/* What git needs in each stage that has the job's variables. */
void sources_export(const struct job *job, struct buf *body);
void get_sources_script(const struct job *job, struct buf *body);
void clear_worktree_script(const struct job *job, struct buf *body);
void cleanup_script(const struct job *job, struct buf *body);
/* Takes away what an earlier job may have left under the names of this one's private files. */
void private_files_script(const struct job *job, struct buf *body);

/* going.c: the log's warning, once for each cause, when the cloud takes the instance. */
void going_warn(struct job *job, const struct report_orders *orders);

/* terminal.c */
int terminal_prepare(struct job *job); /* from the start frame; 0 or -ENOMEM */
void terminal_ready(struct job *job);  /* there is a directory to begin in */
/* At each wait: whether a person has come, or must go. */
void terminal_look(struct job *job, const struct report_orders *orders);
/* The job has run: its environment stays while a person is connected, for as long as the configuration and the job's own
 * time allow. */
void terminal_wait(struct job *job);
/* Before the connection is closed: nobody is connected any more, nor will be. */
void terminal_over(struct job *job);
void terminal_done(struct job *job);

/* attempts.c */
/* How often a stage may be tried. */
int64_t attempts_of(const struct job *job, const char *variable);
/* Puts into the log's warnings what is wrong with those variables. */
void attempts_check(struct job *job);
/* The pause after so many attempts: END_OK, or what stopped it; until_ms as of stage_run(). */
struct end attempts_pause(struct job *job, int64_t tried, int64_t until_ms);
/* Until then, but for an abort, a lost instance and so on; behind the deadline it is a timeout. */
struct end attempts_rest(struct job *job, int64_t until, int64_t deadline);
/* A whole stage, as often as the variable allows while it fails. */
struct end attempts_run(struct job *job, const char *variable,
                        struct end (*stage)(struct job *job));

/* instance.c */
struct end instance_connect(struct job *job, int64_t until_ms); /* as of stage_run() */
/* What came of not getting there in time, or at all: a code of remote_open() and its sentence. */
struct end instance_unreached(struct job *job, int r, int64_t deadline, const char *message);

/* inputs.c */
/* Puts the job's inputs into the payload. -EPERM with a sentence when it refers to what is none. */
int inputs_replace(struct job *job, struct error *err);
/* The text of a sensitive input, "" of another; NULL behind the last. */
const char *inputs_secret(const struct job *job, size_t i);

/* flags.c */
int flags_add(struct job *job); /* their places, first of all variables */
/* Sets job->flags and the variables, once those are known. */
int flags_resolve(struct job *job);
/* "FF_A:true, FF_B:false": those that are not as they are by default. */
void flags_describe(const struct job *job, struct buf *out);

/* header.c */
/* One more sentence for the warnings at the log's beginning. */
void job_warn(struct job *job, const char *fmt, ...) PRINTF_LIKE(2, 3);
void header_write(struct job *job);
/* Before the first step: what a policy of the project's owners has to do with this job. */
void header_write_policy(struct job *job);

/* steps.c */
/* All steps but after_script, until one fails. */
struct end steps_run(struct job *job);
/* after_script, whatever became of the script; its failure changes the result only when the job says
 * so. */
struct end steps_run_after(struct job *job, struct end script);

/* cache.c */
struct end cache_restore(struct job *job);
/* Never fails the job by itself: an end that is not END_OK is of what runs it. */
struct end cache_keep(struct job *job, bool success);

/* artifacts.c */
struct end artifacts_download(struct job *job);
struct end artifacts_upload(struct job *job, bool success);

/* job.c */
void job_run(struct job *job);
