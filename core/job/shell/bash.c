/* core/job/shell/bash.c - script text for bash and sh (bash.h).
 *
 * Values enter by quote_word() only; text for people leaves by printf with a constant format
 * (hardening.md Q2); no here-documents, no eval but of the whole body, which is the job's own code
 * (Q3). */
#include "core/job/shell/bash.h"

#include <string.h>

#include "core/base/str.h"
#include "core/job/shell/quote.h"

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
}

void script_file_variable(struct buf *body, const char *dir, const char *name, const char *value)
{
    buf_add_str(body, "mkdir -p ");
    quote_word(body, dir);
    buf_add_str(body, "\n(umask 077; : > ");
    add_path(body, dir, name);
    buf_add_str(body, ")\nprintf '%s' ");
    quote_word(body, value);
    buf_add_str(body, " > ");
    add_path(body, dir, name);
    buf_add_char(body, '\n');
    script_file_path(body, dir, name);
}

void script_file_path(struct buf *body, const char *dir, const char *name)
{
    buf_addf(body, "export %s=", name);
    add_path(body, dir, name);
    buf_add_char(body, '\n');
}

static void add_print(struct buf *body, const char *before, const char *text, const char *after)
{
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s%s", before, text, after);
    buf_add_str(body, "printf '%s\\n' ");
    quote_word(body, buf_str(&line));
    buf_add_char(body, '\n');
}

void script_notice(struct buf *body, const char *text)
{
    add_print(body, GREEN, text, RESET);
}

void script_command(struct buf *body, const char *const *words)
{
    quote_command(body, words);
}

void script_user_command(struct buf *body, const char *command)
{
    static const char blanks[] = " \t\r\n";
    autobuf struct buf trimmed = BUF_INIT, shown = BUF_INIT;
    const char *newline;
    size_t len;

    command += strspn(command, blanks);
    for (len = strlen(command); len > 0 && strchr(blanks, command[len - 1]); len--)
        continue;
    buf_add(&trimmed, command, len);
    if (len == 0) {
        add_print(body, "", "", "");
        return;
    }
    newline = memchr(command, '\n', len);
    if (newline) {
        buf_add(&shown, command, (size_t) (newline - command));
        buf_add_str(&shown, " # collapsed multi-line command");
    } else {
        buf_add(&shown, command, len);
    }
    add_print(body, GREEN "$ ", buf_str(&shown), RESET);
    buf_addf(body, "%s\n", buf_str(&trimmed));
}

/* KEY=VALUE a line, exported as written; the rules of job-execution.md 2.4. */
void script_load_env(struct buf *body, const char *tmp_dir)
{
    buf_add_str(body, "export GITLAB_ENV=");
    add_path(body, tmp_dir, "gitlab_runner_env");
    buf_add_str(body, "\nmkdir -p ");
    quote_word(body, tmp_dir);
    buf_add_str(body, "\n: >> \"$GITLAB_ENV\"\n"
                      "while read -r line; do export \"$line\"; done < \"$GITLAB_ENV\"\n");
}

void script_unset_hostile(struct buf *body)
{
    static const char *const names[] = { "BASH_ENV",          "ENV",
                                         "PROMPT_COMMAND",    "LD_PRELOAD",
                                         "LD_LIBRARY_PATH",   "LD_AUDIT",
                                         "GIT_CONFIG_COUNT",  "GIT_CONFIG_PARAMETERS",
                                         "GIT_CONFIG",        "GIT_CONFIG_GLOBAL",
                                         "GIT_CONFIG_SYSTEM", "GIT_SSH",
                                         "GIT_SSH_COMMAND",   "GIT_ASKPASS",
                                         "SSH_ASKPASS",       "GIT_DIR",
                                         "GIT_WORK_TREE",     "GIT_INDEX_FILE",
                                         "GIT_EXEC_PATH",     "GIT_TEMPLATE_DIR",
                                         "GIT_PROXY_COMMAND", "GIT_EXTERNAL_DIFF",
                                         "GIT_PAGER",         "GIT_EDITOR",
                                         "GIT_TRACE",         "CDPATH" };

    buf_add_str(body, "unset");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        buf_addf(body, " %s", names[i]);
    buf_add_char(body, '\n');
}

void script_wrap(struct buf *out, const struct script_frame *frame, const char *body)
{
    buf_addf(out, "#!/usr/bin/env %s\n\n", str_eq(frame->shell, "sh") ? "sh" : "bash");
    /* Without the trap bash prints the script when it is killed. */
    buf_add_str(out, "trap 'exit 1' TERM\n");
    if (frame->trace)
        buf_add_str(out, "set -o xtrace\n");
    buf_add_str(out,
                "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\n"
                "set +o noclobber\n");
    if (frame->tag_dir) {
        buf_add_str(out, "mkdir -p ");
        quote_word(out, frame->tag_dir);
        buf_add_str(out, "\nprintf '%s\\n' \"$$\" > ");
        add_path(out, frame->tag_dir, "stage.pid");
        buf_add_char(out, '\n');
    }
    buf_add_str(out, "( trap 'exit 1' TERM; eval ");
    quote_word(out, body);
    buf_add_str(out, " ) < /dev/null\nexit 0\n");
}
