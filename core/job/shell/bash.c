/* core/job/shell/bash.c - script text for bash and sh (bash.h).
 *
 * Values enter by quote_word() only; text for people leaves by printf with a constant format
 * (hardening.md Q2); no here-documents, no eval but of the whole body, which is the job's own code
 * (Q3). */
#include "core/job/shell/bash.h"

#include <string.h>

#include "core/base/str.h"
#include "core/job/shell/quote.h"

#define YELLOW "\033[0;33m"
#define GREEN "\033[32;1m"
#define RESET "\033[0;m"

void script_export(struct buf *body, const char *name, const char *value)
{
    buf_addf(body, "export %s=", name);
    quote_word(body, value);
    buf_add_char(body, '\n');
}

static void add_path(struct buf *body, const char *dir, const char *name)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, name);
    quote_word(body, buf_str(&path));
    buf_inherit_error(body, &path);
}

void script_file_variable(struct buf *body, const char *dir, const char *name, const char *value)
{
    buf_add_str(body, "(umask 077; printf '%s' ");
    quote_word(body, value);
    buf_add_str(body, " > ");
    add_path(body, dir, name);
    buf_addf(body, ")\nexport %s=", name);
    add_path(body, dir, name);
    buf_add_char(body, '\n');
}

static void add_print(struct buf *body, const char *before, const char *text, const char *after)
{
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s%s", before, text, after);
    buf_add_str(body, "printf '%s\\n' ");
    quote_word(body, buf_str(&line));
    buf_inherit_error(body, &line);
    buf_add_char(body, '\n');
}

void script_notice(struct buf *body, const char *text)
{
    add_print(body, GREEN, text, RESET);
}

void script_warning(struct buf *body, const char *text)
{
    add_print(body, YELLOW "WARNING: ", text, RESET);
}

void script_command(struct buf *body, const char *const *words)
{
    quote_command(body, words);
}

/* Only the instance knows when it gets there. */
static void add_section(struct buf *body, const char *name, const char *echo)
{
    buf_add_str(body,
                "printf 'section_start:%s:%s[hide_duration=true,collapsed=true]\\r\\033[0K%s\\n'"
                " \"$(date +%s)\" ");
    quote_word(body, name);
    buf_add_char(body, ' ');
    quote_word(body, echo);
    buf_add_str(body, "\nprintf 'section_end:%s:%s\\r\\033[0K\\n' \"$(date +%s)\" ");
    quote_word(body, name);
    buf_add_char(body, '\n');
}

static void add_echo(struct buf *body, const char *command, const char *sections, size_t place)
{
    const char *newline = strchr(command, '\n');
    autobuf struct buf shown = BUF_INIT, name = BUF_INIT;

    if (!newline) {
        add_print(body, GREEN "$ ", command, RESET);
    } else if (sections) {
        buf_addf(&name, "section_%s_%zu", sections, place);
        buf_addf(&shown, GREEN "$ %s" RESET, command);
        add_section(body, buf_str(&name), buf_str(&shown));
    } else {
        buf_add(&shown, command, (size_t) (newline - command));
        add_print(body, GREEN "$ ", buf_str(&shown), " # collapsed multi-line command" RESET);
    }
    buf_inherit_error(body, &name);
    buf_inherit_error(body, &shown);
}

void script_user_command(struct buf *body, const char *command, struct script_commands how,
                         size_t place)
{
    static const char blanks[] = " \t\r\n\v\f";
    autobuf struct buf trimmed = BUF_INIT;
    size_t len;

    command += strspn(command, blanks);
    for (len = strlen(command); len > 0 && strchr(blanks, command[len - 1]); len--)
        continue;
    buf_add(&trimmed, command, len);
    if (len == 0) {
        add_print(body, "", "", "");
        return;
    }
    add_echo(body, buf_str(&trimmed), how.sections, place);
    buf_addf(body, "%s\n", buf_str(&trimmed));
    if (how.check_status)
        buf_add_str(body, "flotilla_status=$?; [ \"$flotilla_status\" -eq 0 ] || "
                          "exit \"$flotilla_status\"\n");
    buf_inherit_error(body, &trimmed);
}

void script_user_commands(struct buf *body, json_t *lines, struct script_commands how)
{
    for (size_t i = 0; lines && i < json_object_array_length(lines); i++) {
        const char *line = json_object_get_string(json_object_array_get_idx(lines, i));

        script_user_command(body, line ? line : "", how, i);
    }
}

/* KEY=VALUE a line, exported as written; the rules of job-execution.md 2.4. */
void script_load_env(struct buf *body, const char *tmp_dir)
{
    buf_add_str(body, "export GITLAB_ENV=");
    add_path(body, tmp_dir, "gitlab_runner_env");
    buf_add_str(body, "\n(umask 077; : >> \"$GITLAB_ENV\")\n"
                      "while read -r flotilla_line; do export \"$flotilla_line\"; done"
                      " < \"$GITLAB_ENV\"\nunset flotilla_line\n");
}

void script_trace(struct buf *body)
{
    buf_add_str(body, "set -o xtrace\n");
}

static const char *const hostile_names[] = {
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "CDPATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "GLIBC_TUNABLES",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_EXEC_PATH",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_TEMPLATE_DIR",
    "GIT_DEFAULT_HASH",
    "GIT_ALLOW_PROTOCOL",
    "GIT_PROXY_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_EDITOR",
};
static const char *const hostile_prefixes[] = { "LD_", "GIT_CONFIG_", "GIT_SSH_", "GIT_TRACE" };

bool script_name_is_hostile(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(hostile_names); i++)
        if (str_eq(name, hostile_names[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(hostile_prefixes); i++)
        if (str_starts(name, hostile_prefixes[i]))
            return true;
    return false;
}

void script_unset(struct buf *body, const char *name)
{
    buf_addf(body, "unset %s\n", name);
}

void script_own_begin(struct buf *body)
{
    buf_add_str(body, "(\nset -o nounset\nunset");
    for (size_t i = 0; i < ARRAY_LEN(hostile_names); i++)
        buf_addf(body, " %s", hostile_names[i]);
    buf_add_char(body, '\n');
}

void script_own_end(struct buf *body)
{
    buf_add_str(body, ")\n");
}

/* With what the system says of it: state, parent, group, session. */
void script_note_process(struct buf *out, const char *tmp_dir)
{
    buf_add_str(out, "rm -rf -- "); /* a link would be followed, and a pipe waited for */
    add_path(out, tmp_dir, "stage.pid");
    buf_add_str(out, "\nflotilla_stat=\n"
                     "[ ! -r /proc/self/stat ] || read -r flotilla_stat < /proc/self/stat\n"
                     "(umask 077; printf '%s %s\\n' \"$$\" \"${flotilla_stat##*) }\" > ");
    add_path(out, tmp_dir, "stage.pid");
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

void script_wrap(struct buf *out, const char *shell, const char *tmp_dir, const char *body)
{
    buf_addf(out, "#!/usr/bin/env %s\n\n", str_eq(shell, "sh") ? "sh" : "bash");
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
