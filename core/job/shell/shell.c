/* core/job/shell/shell.c - what the writers have in common (shell.h): lines for people, the echo of the job's
 * commands, and the names that our own steps run without. */
#include "core/job/shell/shell.h"

#include <string.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/powershell.h"

#define YELLOW "\033[0;33m"
#define GREEN "\033[32;1m"
#define RESET "\033[0;m"

const struct shell *shell_by_name(const char *name)
{
    static const struct shell *const all[] = { &shell_bash, &shell_sh, &shell_pwsh,
                                               &shell_powershell };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_eq(all[i]->name, name))
            return all[i];
    return NULL;
}

static void add_line(const struct shell *shell, struct buf *body, const char *before,
                     const char *text, const char *after)
{
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s%s", before, text, after);
    shell->print(body, buf_str(&line));
    buf_inherit_error(body, &line);
}

void shell_notice(const struct shell *shell, struct buf *body, const char *text)
{
    add_line(shell, body, GREEN, text, RESET);
}

void shell_warning(const struct shell *shell, struct buf *body, const char *text)
{
    add_line(shell, body, YELLOW "WARNING: ", text, RESET);
}

static void add_echo(const struct shell *shell, struct buf *body, const char *command,
                     const char *sections, size_t place)
{
    const char *newline = strchr(command, '\n');
    autobuf struct buf shown = BUF_INIT, name = BUF_INIT;

    if (!newline) {
        add_line(shell, body, GREEN "$ ", command, RESET);
    } else if (sections) {
        buf_addf(&name, "section_%s_%zu", sections, place);
        buf_addf(&shown, GREEN "$ %s" RESET, command);
        shell->section(body, buf_str(&name), buf_str(&shown));
    } else {
        buf_add(&shown, command, (size_t) (newline - command));
        add_line(shell, body, GREEN "$ ", buf_str(&shown), " # collapsed multi-line command" RESET);
    }
    buf_inherit_error(body, &name);
    buf_inherit_error(body, &shown);
}

void shell_user_command(const struct shell *shell, struct buf *body, const char *command,
                        struct script_commands how, size_t place)
{
    static const char blanks[] = " \t\r\n\v\f";
    autobuf struct buf trimmed = BUF_INIT;
    size_t len;

    command += strspn(command, blanks);
    for (len = strlen(command); len > 0 && strchr(blanks, command[len - 1]); len--)
        continue;
    buf_add(&trimmed, command, len);
    if (len == 0) {
        shell->print(body, "");
        return;
    }
    add_echo(shell, body, buf_str(&trimmed), how.sections, place);
    shell->job_command(body, buf_str(&trimmed), how);
    buf_inherit_error(body, &trimmed);
}

void shell_user_commands(const struct shell *shell, struct buf *body, json_t *lines,
                         struct script_commands how)
{
    for (size_t i = 0; lines && i < json_object_array_length(lines); i++) {
        const char *line = json_object_get_string(json_object_array_get_idx(lines, i));

        shell_user_command(shell, body, line ? line : "", how, i);
    }
}

const char *const script_hostile_names[] = {
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
    NULL,
};
static const char *const hostile_prefixes[] = { "LD_", "GIT_CONFIG_", "GIT_SSH_", "GIT_TRACE" };

/* Git of Windows reads its names in any case; what the others are read by minds it. */
static bool begins_hostile(const char *name, const char *hostile)
{
    size_t len = strlen(hostile);

    return str_starts(hostile, "GIT_") || str_starts(hostile, "SSH_")
               ? strncasecmp(name, hostile, len) == 0
               : strncmp(name, hostile, len) == 0;
}

bool script_name_is_hostile(const char *name)
{
    for (size_t i = 0; script_hostile_names[i]; i++)
        if (strlen(name) == strlen(script_hostile_names[i]) &&
            begins_hostile(name, script_hostile_names[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(hostile_prefixes); i++)
        if (begins_hostile(name, hostile_prefixes[i]))
            return true;
    return false;
}
