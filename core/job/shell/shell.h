/* core/job/shell/shell.h - what a stage's script is written with: one interface, and a writer for each language that
 * an instance's shell may read. bash.c is that of bash and sh, powershell.c that of pwsh and powershell.
 *
 * A body is collected by the calls below in the order in which it runs; wrap() puts it into the frame that is fed to
 * the shell on stdin. Directories are absolute and have slashes, on Windows too. Whatever a call is given is data:
 * quoted by the writer, and never read as code, but for the job's own commands and the text of sh(). Facts:
 * reference/job-execution.md 2.
 */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/json.h"

/* How the commands of the job are written. */
struct script_commands {
    const char *sections; /* NULL = none */
    bool check_status; /* the script ends behind a command that fails, whatever it did to errexit */
};

/* A program of the instance, run where the script is; the script ends with its status when that is not 0. */
struct script_run {
    const char *program;
    json_t *words;     /* texts */
    const char *input; /* its stdin, to the end; NULL = none */
    const char *token; /* its CI_JOB_TOKEN; NULL = the job's */
};

/* Files of the directory where the script is, packed by what the system has, to stdout: a line about it, then the
 * archive; as flotilla-helper does (docs/design/transfers.md "Stream"). Nothing is sent where no file matches. */
struct script_archive {
    json_t *patterns, *excluded; /* texts */
    bool untracked;
    const char *line,
        *format;      /* of an upload: the line, and "zip", "gzip" or "raw"; NULL = a cache */
    const char *file; /* a cache's archive; of an upload, where one may be while it is made */
    bool sends;       /* else a cache's archive stays there */
};

struct shell {
    const char *name; /* as in the configuration */
    bool is_powershell;
    /* What starts it on the instance, for a script on its stdin. `nested`: what reads that command is a PowerShell,
     * which makes 1 of any other status unless it is told not to. */
    void (*add_command)(const struct shell *shell, struct buf *out, bool nested);

    /* What starts it there for a person at a terminal, in that directory if it is there. */
    void (*add_terminal)(const struct shell *shell, struct buf *out, const char *dir);

    /* Whole scripts. The frame makes the stage's private directory, leaves in it which process this is, and runs the
     * body with an empty stdin. */
    void (*wrap)(const struct shell *shell, struct buf *out, const char *tmp_dir, const char *body);
    /* Prints the login directory as its last line; ends with SHELL_ASKED. */
    void (*ask_directory)(struct buf *out);
    /* Stops the stage that is noted in `tmp_dir`, with all that it started, and proves it: it ends with 0 only when
     * nothing of that is left. */
    void (*kill)(struct buf *out, const char *tmp_dir);

    /* Parts of a body. A variable's name was checked (hardening.md V4). */
    void (*export)(struct buf *body, const char *name, const char *value);
    /* Writes the value into DIR/NAME, readable only by us before it has content (S4, Q7), and exports the path. */
    void (*file_variable)(struct buf *body, const char *dir, const char *name, const char *value);
    /* `GITLAB_ENV`: variables that earlier stages handed on. */
    void (*load_env)(struct buf *body, const char *tmp_dir);
    /* Shows each command from here on: behind the exports, which hold secrets in a form that no mask knows. */
    void (*trace)(struct buf *body);
    void (*print)(struct buf *body, const char *text); /* a line of the log */
    /* The text as the header of a collapsed section, which ends at once: only the instance knows when it gets there. */
    void (*section)(struct buf *body, const char *name, const char *text);
    /* "Running on HOST via MANAGER..." */
    void (*running_on)(struct buf *body, const char *manager);
    void (*change_directory)(struct buf *body, const char *dir);
    void (*make_directory)(struct buf *body, const char *dir); /* with its parents */
    /* Whatever they are; a link itself, not what it leads to. */
    void (*remove)(struct buf *body, const char *dir, const char *const *names, size_t n);
    void (*remove_tree)(struct buf *body, const char *dir); /* even where its rights forbid it */
    void (*write_file)(struct buf *body, const char *dir, const char *name, const char *content);
    /* A command of the job as it is written. */
    void (*job_command)(struct buf *body, const char *command, struct script_commands how);

    /* What stands between these two is ours: it runs without the variables that could make git or the shell load or
     * run other code, and ends at an unset variable (S8, Q6). The job's exported variables of such names are removed
     * one by one. What it does to variables ends with it. */
    void (*own_begin)(struct buf *body);
    void (*unset)(struct buf *body, const char *name);
    void (*own_end)(struct buf *body);
    /* Inside of it: text for sh (bash.h), which comes with git wherever that is not the system's own. What the git
     * stage does with a clone is written once, in the language that git's own hooks, credential helpers and submodules
     * are written in. An instance without git is an error, or passed over. */
    void (*sh)(struct buf *body, const char *tmp_dir, const char *text, bool needs_git);
    void (*run)(struct buf *body, const struct script_run *run);
    /* Prints, on a line of its own, the first of these programs that answers --version, else "none"; the system and
     * the kind of machine. */
    void (*find_program)(struct buf *body, const char *const *names, size_t n);
    /* Where no helper can be brought; NULL where one can. What comes behind the script on stdin is the archive that
     * is unpacked; a cache's is kept in `file`, and taken from there when nothing comes. */
    void (*pack)(struct buf *body, const struct script_archive *archive);
    void (*unpack)(struct buf *body, const char *file, bool keeps);
};

/* How the script of ask_directory() ends: what lies between us and the shell (the login shell, and on Windows the one
 * that sshd was given) may not hand on a status as it is. */
#define SHELL_ASKED 77

const struct shell *shell_by_name(const char *name); /* NULL = there is none */

/* Lines for people: in green as the peer prints its notices, and in yellow. */
void shell_notice(const struct shell *shell, struct buf *body, const char *text);
void shell_warning(const struct shell *shell, struct buf *body, const char *text);

/* Commands of the job, each echoed as `$ command`, then as written. Of several lines the echo is the first one and a
 * note; with sections, it is all of them, in a collapsed section that is named after those and the command's place. */
void shell_user_command(const struct shell *shell, struct buf *body, const char *command,
                        struct script_commands how, size_t place);
void shell_user_commands(const struct shell *shell, struct buf *body, json_t *lines,
                         struct script_commands how);

/* Names that could make git or a shell load or run other code. */
bool script_name_is_hostile(const char *name);
extern const char *const script_hostile_names[]; /* NULL-terminated */
