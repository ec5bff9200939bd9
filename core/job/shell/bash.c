/* core/job/shell/bash.c - script text for bash and sh (bash.h).
 *
 * Values enter by quote_word() only; text for people leaves by printf with a constant format
 * (hardening.md Q2); no here-documents, no eval but of the whole body, which is the job's own code
 * (Q3). */
#include "core/job/shell/bash.h"

#include <string.h>

#include "core/base/str.h"
#include "core/job/shell/quote.h"

void script_export(struct buf *body, const char *name, const char *value)
{
    buf_addf(body, "export %s=", name);
    quote_word(body, value);
    buf_add_char(body, '\n');
}

static void file_variable(struct buf *body, const char *dir, const char *name, const char *value)
{
    buf_add_str(body, "(umask 077; printf '%s' ");
    quote_word(body, value);
    buf_add_str(body, " > ");
    quote_path(body, dir, name);
    buf_addf(body, ")\nexport %s=", name);
    quote_path(body, dir, name);
    buf_add_char(body, '\n');
}

static void print_line(struct buf *body, const char *text)
{
    buf_add_str(body, "printf '%s\\n' ");
    quote_word(body, text);
    buf_add_char(body, '\n');
}

void script_notice(struct buf *body, const char *text)
{
    shell_notice(&shell_sh, body, text);
}

void script_warning(struct buf *body, const char *text)
{
    shell_warning(&shell_sh, body, text);
}

void script_command(struct buf *body, const char *const *words)
{
    quote_command(body, words);
}

static void add_section(struct buf *body, const char *name, const char *text)
{
    buf_add_str(body,
                "printf 'section_start:%s:%s[hide_duration=true,collapsed=true]\\r\\033[0K%s\\n'"
                " \"$(date +%s)\" ");
    quote_word(body, name);
    buf_add_char(body, ' ');
    quote_word(body, text);
    buf_add_str(body, "\nprintf 'section_end:%s:%s\\r\\033[0K\\n' \"$(date +%s)\" ");
    quote_word(body, name);
    buf_add_char(body, '\n');
}

static void job_command(struct buf *body, const char *command, struct script_commands how)
{
    buf_addf(body, "%s\n", command);
    if (how.check_status)
        buf_add_str(body, "flotilla_status=$?; [ \"$flotilla_status\" -eq 0 ] || "
                          "exit \"$flotilla_status\"\n");
}

/* KEY=VALUE a line, exported as written; the rules of job-execution.md 2.4. */
static void load_env(struct buf *body, const char *tmp_dir)
{
    buf_add_str(body, "export GITLAB_ENV=");
    quote_path(body, tmp_dir, "gitlab_runner_env");
    buf_add_str(body, "\n(umask 077; : >> \"$GITLAB_ENV\")\n"
                      "while read -r flotilla_line; do export \"$flotilla_line\"; done"
                      " < \"$GITLAB_ENV\"\nunset flotilla_line\n");
}

static void trace(struct buf *body)
{
    buf_add_str(body, "set -o xtrace\n");
}

static void unset(struct buf *body, const char *name)
{
    buf_addf(body, "unset %s\n", name);
}

void script_own_settings(struct buf *body)
{
    buf_add_str(body, "set -o nounset\nunset");
    for (size_t i = 0; script_hostile_names[i]; i++)
        buf_addf(body, " %s", script_hostile_names[i]);
    buf_add_char(body, '\n');
}

static void own_begin(struct buf *body)
{
    buf_add_str(body, "(\n");
    script_own_settings(body);
}

static void own_end(struct buf *body)
{
    buf_add_str(body, ")\n");
}

/* The script's own language. */
static void add_sh(struct buf *body, const char *tmp_dir, const char *text, bool needs_git)
{
    (void) tmp_dir;
    (void) needs_git;
    buf_add_str(body, text);
}

static void running_on(struct buf *body, const char *manager)
{
    buf_add_str(body, "printf 'Running on %s via %s...\\n' \"$(hostname)\" ");
    quote_word(body, manager);
    buf_add_char(body, '\n');
}

static void change_directory(struct buf *body, const char *dir)
{
    script_command(body, (const char *const[]) { "cd", "--", dir, NULL });
}

static void make_directory(struct buf *body, const char *dir)
{
    script_command(body, (const char *const[]) { "mkdir", "-p", "--", dir, NULL });
}

void script_remove(struct buf *body, const char *dir, const char *const *names, size_t n)
{
    buf_add_str(body, "rm -rf --");
    for (size_t i = 0; i < n; i++) {
        buf_add_char(body, ' ');
        quote_path(body, dir, names[i]);
    }
    buf_add_char(body, '\n');
}

void script_remove_tree(struct buf *body, const char *dir)
{
    buf_add_str(body, "[ -L ");
    quote_word(body, dir);
    buf_add_str(body, " ] || chmod -R u+rwX -- ");
    quote_word(body, dir);
    buf_add_str(body, " 2> /dev/null || :\n");
    script_command(body, (const char *const[]) { "rm", "-rf", "--", dir, NULL });
}

static void write_file(struct buf *body, const char *dir, const char *name, const char *content)
{
    buf_add_str(body, "printf '%s' ");
    quote_word(body, content);
    buf_add_str(body, " > ");
    quote_path(body, dir, name);
    buf_add_char(body, '\n');
}

/* What it has from stdin is printed by the shell itself: others on the instance see command lines. */
static void run_program(struct buf *body, const struct script_run *run)
{
    if (run->input) {
        buf_add_str(body, "printf '%s' ");
        quote_word(body, run->input);
        buf_add_str(body, " | ");
    }
    if (run->token) {
        buf_add_str(body, "CI_JOB_TOKEN=");
        quote_word(body, run->token);
        buf_add_char(body, ' ');
    }
    buf_add_str(body, run->program);
    for (size_t i = 0; i < json_object_array_length(run->words); i++) {
        buf_add_char(body, ' ');
        quote_word(body, json_object_get_string(json_object_array_get_idx(run->words, i)));
    }
    buf_add_char(body, '\n');
}

/* On a line of its own, as a profile may have left one open. */
static void find_program(struct buf *body, const char *const *names, size_t n)
{
    buf_add_str(body, "for program in");
    for (size_t i = 0; i < n; i++)
        buf_addf(body, " %s", names[i]);
    buf_add_str(body, " none; do\n"
                      "  [ \"$program\" != none ] || break\n"
                      "  ! \"$program\" --version > /dev/null 2>&1 < /dev/null || break\n"
                      "done\n"
                      "printf '\\n%s %s %s\\n' \"$program\" \"$(uname -s)\" \"$(uname -m)\"\n");
}

/* With what the system says of it: state, parent, group, session. */
void script_note_process(struct buf *out, const char *tmp_dir)
{
    buf_add_str(out, "rm -rf -- "); /* a link would be followed, and a pipe waited for */
    quote_path(out, tmp_dir, "stage.pid");
    buf_add_str(out, "\nflotilla_stat=\n"
                     "[ ! -r /proc/self/stat ] || read -r flotilla_stat < /proc/self/stat\n"
                     "(umask 077; printf '%s %s\\n' \"$$\" \"${flotilla_stat##*) }\" > ");
    quote_path(out, tmp_dir, "stage.pid");
    buf_add_str(out, ")\nunset flotilla_stat\n");
}

/* It is private from its birth; its parents, which are the job's, are not. What an earlier job left in its
 * place goes: a link would take secrets elsewhere. */
static void add_private_directory(struct buf *out, const char *path)
{
    autobuf struct buf quoted = BUF_INIT;

    quote_word(&quoted, path);
    buf_addf(out, "[ -d %1$s ] && [ ! -L %1$s ] || rm -rf -- %1$s\nmkdir -p -m 700 -- %1$s\n",
             buf_str(&quoted));
    buf_inherit_error(out, &quoted);
}

static void wrap(const struct shell *shell, struct buf *out, const char *tmp_dir, const char *body)
{
    buf_addf(out, "#!/usr/bin/env %s\n\n", shell->name);
    /* Without the trap bash prints the script when it is killed. */
    buf_add_str(out, "trap 'exit 1' TERM\n"
                     "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi\n"
                     "set -o errexit\nset +o noclobber\n");
    add_private_directory(out, tmp_dir);
    script_note_process(out, tmp_dir);
    buf_add_str(out, "( trap 'exit 1' TERM; eval ");
    quote_word(out, body);
    buf_add_str(out, " ) < /dev/null\nexit 0\n");
}

/* All processes of the session but those that are dead already; by group where the system has no
 * /proc. A session that is ours, too, is none that the stage got for itself. */
void script_kill(struct buf *out, const char *tmp_dir)
{
    buf_add_str(out, "set -- ");
    quote_word(out, tmp_dir);
    buf_add_str(out, "\nread -r pid state parent group session rest < \"$1/stage.pid\" || exit 0\n"
                     "own() { [ -r /proc/self/stat ] || return 0\n"
                     "  read -r line < /proc/self/stat; set -- ${line##*) }; echo \"$4\"\n"
                     "}\n"
                     "members() {\n"
                     "  for stat in /proc/[0-9]*/stat; do\n"
                     "    { read -r line < \"$stat\"; } 2> /dev/null || continue\n"
                     "    set -- ${line##*) }\n"
                     "    [ \"$4\" = \"$session\" ] && [ \"$1\" != Z ] || continue\n"
                     "    stat=${stat#/proc/}; echo \"${stat%/stat}\"\n"
                     "  done\n"
                     "}\n"
                     "if [ -z \"$session\" ] || [ \"$session\" = \"$(own)\" ]; then\n"
                     "  group=$(ps -o pgid= -p \"$pid\" 2> /dev/null | tr -d ' ')\n"
                     "  case $group in ''|0|1|*[!0-9]*) exit 0;; esac\n"
                     "  members() { ! kill -0 \"-$group\" 2> /dev/null || echo \"-$group\"; }\n"
                     "fi\n"
                     "n=0\n"
                     "while found=$(members); [ -n \"$found\" ]; do\n"
                     "  [ $n -ne 0 ] || kill -TERM $found 2> /dev/null\n"
                     "  [ $n -le 5 ] || kill -KILL $found 2> /dev/null\n"
                     "  [ $n -le 60 ] || exit 1\n"
                     "  n=$((n + 1))\n"
                     "  sleep 0.1\n"
                     "done\n");
}

static void add_command(const struct shell *shell, struct buf *out, bool nested)
{
    (void) nested;
    buf_add_str(out, shell->name);
}

static void add_terminal(const struct shell *shell, struct buf *out, const char *dir)
{
    buf_add_str(out, "sh -c 'cd -- \"$1\" 2> /dev/null; exec \"$0\" -i' ");
    quote_word(out, shell->name);
    buf_add_char(out, ' ');
    quote_word(out, dir);
}

/* A profile may leave its line open. On Windows, where a path begins with a drive, the sh of git says `/c/` for
 * what others call `C:/` unless it is asked. */
static void ask_directory(struct buf *out)
{
    buf_addf(out, "echo; pwd -W 2> /dev/null || pwd; exit %d\n", SHELL_ASKED);
}

#define WRITER                                                                                     \
    .add_command = add_command, .add_terminal = add_terminal, .wrap = wrap,                        \
    .ask_directory = ask_directory, .kill = script_kill, .export = script_export,                  \
    .file_variable = file_variable, .load_env = load_env, .trace = trace, .print = print_line,     \
    .section = add_section, .running_on = running_on, .change_directory = change_directory,        \
    .make_directory = make_directory, .remove = script_remove, .remove_tree = script_remove_tree,  \
    .write_file = write_file, .job_command = job_command, .own_begin = own_begin, .unset = unset,  \
    .own_end = own_end, .sh = add_sh, .run = run_program, .find_program = find_program

const struct shell shell_bash = { .name = "bash", WRITER };
const struct shell shell_sh = { .name = "sh", WRITER };
