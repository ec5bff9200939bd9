/* core/job/shell/powershell.c - script text for PowerShell (powershell.h).
 *
 * A script is delivered as base64 behind a line with its length, and read by a short program on the command line: so it
 * is parsed as a whole before any of it runs, no code page, line end or byte order mark can change it, one that did not
 * arrive whole does not run, and what comes behind it on stdin is there for it. `-Command -`, with which the peer reads
 * scripts, takes them line by line, goes on behind errors and loses statuses.
 *
 * Values enter by powershell_quote.h only; names of variables stand in braces (hardening.md Q5). What takes more than
 * a line is a function of powershell_functions.ps1. */
#include "core/job/shell/powershell.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/powershell_functions.h"
#include "core/job/shell/powershell_glob.h"
#include "core/job/shell/powershell_quote.h"

/* Without a console, encodings can't be set, and need not be. */
static const char loader[] =
    "$ErrorActionPreference = 'Stop'\n"
    "$flotilla_utf8 = New-Object Text.UTF8Encoding $false\n"
    "$OutputEncoding = $flotilla_utf8\n"
    "try { [Console]::OutputEncoding = $flotilla_utf8 } catch { [void] $_ }\n"
    "try { [Console]::InputEncoding = $flotilla_utf8 } catch { [void] $_ }\n"
    "$flotilla_in = [Console]::OpenStandardInput()\n"
    "$flotilla_digits = ''\n"
    "while (($flotilla_byte = $flotilla_in.ReadByte()) -ge 48) { $flotilla_digits += "
    "$flotilla_byte - 48 }\n"
    "$flotilla_text = New-Object byte[] ([int] $flotilla_digits)\n"
    "$flotilla_at = 0\n"
    "do {\n"
    "$flotilla_n = $flotilla_in.Read($flotilla_text, $flotilla_at, $flotilla_text.Length - "
    "$flotilla_at)\n"
    "$flotilla_at += $flotilla_n\n"
    "} while ($flotilla_n -gt 0 -and $flotilla_at -lt $flotilla_text.Length)\n"
    "if ($flotilla_n -le 0) {\n"
    "[Console]::Error.WriteLine('the script did not arrive whole')\n"
    "exit 1\n"
    "}\n"
    "$flotilla_text = [Text.Encoding]::ASCII.GetString($flotilla_text)\n"
    "$flotilla_text = "
    "[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($flotilla_text))\n"
    ". ([ScriptBlock]::Create($flotilla_text))\n";

/* Of the options, -OutputFormat keeps errors from being told as XML. */
static void add_command(const struct shell *shell, struct buf *out, bool nested)
{
    buf_addf(out,
             "%s -NoProfile -NoLogo -InputFormat text -OutputFormat text -NonInteractive "
             "-ExecutionPolicy Bypass -EncodedCommand ",
             shell->name);
    powershell_encode_command(out, loader);
    if (nested)
        buf_add_str(out, "; exit $LASTEXITCODE");
}

static void add_terminal(const struct shell *shell, struct buf *out, const char *dir)
{
    autobuf struct buf script = BUF_INIT;

    buf_add_str(&script, "Set-Location -ErrorAction SilentlyContinue -LiteralPath ");
    powershell_value(&script, dir);
    buf_addf(out, "%s -NoLogo -NoExit -ExecutionPolicy Bypass -EncodedCommand ", shell->name);
    powershell_encode_command(out, buf_str(&script));
    buf_inherit_error(out, &script);
}

static void deliver(struct buf *out, const struct buf *script)
{
    buf_addf(out, "%zu\n", (script->len + 2) / 3 * 4);
    (void) base64_encode(out, buf_str(script), script->len);
    buf_inherit_error(out, script);
}

/* `flotilla_NAME VALUE`. */
static void call(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "flotilla_%s ", name);
    powershell_value(out, value);
    buf_add_char(out, '\n');
}

/* A program that fails is no error of PowerShell's, as new versions can be told to take it: its status is the job's. */
static void wrap(const struct shell *shell, struct buf *out, const char *tmp_dir, const char *body)
{
    autobuf struct buf script = BUF_SECRET;

    (void) shell;
    buf_add_str(&script, powershell_functions);
    buf_add_str(&script, "$ErrorActionPreference = 'Stop'\n"
                         "$PSNativeCommandUseErrorActionPreference = $false\n");
    call(&script, "begin", tmp_dir);
    buf_add_str(&script, body);
    buf_add_str(&script, "exit 0\n");
    deliver(out, &script);
}

static void ask_directory(struct buf *out)
{
    autobuf struct buf script = BUF_INIT;

    buf_add_str(&script, powershell_functions);
    buf_addf(&script, "flotilla_where\nexit %d\n", SHELL_ASKED);
    deliver(out, &script);
}

/* Where there are sessions of processes they are known better by sh. */
static void kill_stage(struct buf *out, const char *tmp_dir)
{
    autobuf struct buf script = BUF_INIT, kill = BUF_INIT;

    script_kill(&kill, tmp_dir);
    buf_add_str(&script, powershell_functions);
    buf_add_str(&script, "if ($flotilla_windows) { ");
    call(&script, "stop", tmp_dir);
    buf_add_str(&script, "}\nexit (flotilla_start 'sh' @('-c', ");
    powershell_value(&script, buf_str(&kill));
    buf_add_str(&script, "))\n");
    buf_inherit_error(&script, &kill);
    deliver(out, &script);
}

/* A variable of PowerShell that can't be given another value, or that PowerShell sets itself: the job's of that name
 * is in the environment alone. */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {
        "_",
        "args",
        "ConsoleFileName",
        "Error",
        "Event",
        "EventArgs",
        "EventSubscriber",
        "ExecutionContext",
        "false",
        "foreach",
        "HOME",
        "Host",
        "input",
        "IsCoreCLR",
        "IsLinux",
        "IsMacOS",
        "IsWindows",
        "LASTEXITCODE",
        "Matches",
        "MyInvocation",
        "null",
        "PID",
        "PROFILE",
        "PSBoundParameters",
        "PSCmdlet",
        "PSCommandPath",
        "PSCulture",
        "PSDebugContext",
        "PSEdition",
        "PSHOME",
        "PSItem",
        "PSScriptRoot",
        "PSSenderInfo",
        "PSStyle",
        "PSUICulture",
        "PSVersionTable",
        "PWD",
        "Sender",
        "ShellId",
        "StackTrace",
        "switch",
        "this",
        "true",
        "EnabledExperimentalFeatures",
    };

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (strcasecmp(name, taken[i]) == 0)
            return true;
    return false;
}

/* As the peer's: a variable of the environment, and one of PowerShell. */
static void add_export(struct buf *body, const char *name, const char *value)
{
    if (!is_taken(name) && strncasecmp(name, "flotilla_", strlen("flotilla_")) != 0)
        buf_addf(body, "${%s} = ", name);
    buf_addf(body, "${env:%s} = ", name);
    powershell_value(body, value);
    buf_add_char(body, '\n');
}

static void write_file(struct buf *body, const char *dir, const char *name, const char *content)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, name);
    buf_add_str(body, "flotilla_write ");
    powershell_value(body, buf_str(&path));
    buf_add_str(body, " (");
    powershell_bytes(body, content);
    buf_add_str(body, ")\n");
    buf_inherit_error(body, &path);
}

static void file_variable(struct buf *body, const char *dir, const char *name, const char *value)
{
    autobuf struct buf path = BUF_INIT;

    write_file(body, dir, name, value);
    buf_addf(&path, "%s/%s", dir, name);
    add_export(body, name, buf_str(&path));
    buf_inherit_error(body, &path);
}

static void load_env(struct buf *body, const char *tmp_dir)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s/gitlab_runner_env", tmp_dir);
    call(body, "load_env", buf_str(&path));
    buf_inherit_error(body, &path);
}

/* Behind the exports: from here on the script is the job's, whose errors end Windows PowerShell only where the job
 * says so (job-execution.md 2.6). */
static void load_env_and_go_on(struct buf *body, const char *tmp_dir)
{
    load_env(body, tmp_dir);
    buf_add_str(body,
                "if (-not $env:ErrorActionPreference) { $ErrorActionPreference = 'Continue' }\n");
}

static void trace(struct buf *body)
{
    buf_add_str(body, "Set-PSDebug -Trace 2\n");
}

static void print_line(struct buf *body, const char *text)
{
    call(body, "print", text);
}

static void add_section(struct buf *body, const char *name, const char *text)
{
    buf_add_str(body, "flotilla_section ");
    powershell_value(body, name);
    buf_add_char(body, ' ');
    powershell_value(body, text);
    buf_add_char(body, '\n');
}

static void running_on(struct buf *body, const char *manager)
{
    buf_add_str(body, "flotilla_print ('Running on ' + [Environment]::MachineName + ' via ' + ");
    powershell_value(body, manager);
    buf_add_str(body, " + '...')\n");
}

static void change_directory(struct buf *body, const char *dir)
{
    call(body, "cd", dir);
}

static void make_directory(struct buf *body, const char *dir)
{
    call(body, "directory", dir);
}

static void remove_tree(struct buf *body, const char *dir)
{
    call(body, "remove", dir);
}

static void remove_all(struct buf *body, const char *dir, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        autobuf struct buf path = BUF_INIT;

        buf_addf(&path, "%s/%s", dir, names[i]);
        remove_tree(body, buf_str(&path));
        buf_inherit_error(body, &path);
    }
}

/* The command may end with a comment. What failed may have been a cmdlet, which has no status. */
static void job_command(struct buf *body, const char *command, struct script_commands how)
{
    (void) how;
    buf_addf(body, "%s\n", command);
    buf_add_str(body, "if (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } exit 1 }\n");
}

static void own_begin(struct buf *body)
{
    size_t n = 0;

    while (script_hostile_names[n])
        n++;
    buf_add_str(body, "& {\n"
                      "$ErrorActionPreference = 'Stop'\n"
                      "trap { flotilla_fail $_ }\n"
                      "$flotilla_kept = flotilla_hide ");
    powershell_array(body, script_hostile_names, n);
    buf_add_char(body, '\n');
}

static void unset(struct buf *body, const char *name)
{
    buf_add_str(body, "[Environment]::SetEnvironmentVariable(");
    powershell_value(body, name);
    buf_add_str(body, ", [NullString]::Value)\n");
}

static void own_end(struct buf *body)
{
    buf_add_str(body, "flotilla_show $flotilla_kept\n}\n");
}

/* On Windows it is MSYS, which takes whatever looks like a path of Unix in the words of a program for one, and must
 * find its own `find` before that of Windows. */
static void add_sh(struct buf *body, const char *tmp_dir, const char *text, bool needs_git)
{
    autobuf struct buf script = BUF_INIT;

    buf_add_str(&script, "set -o errexit\n");
    script_own_settings(&script);
    buf_add_str(&script, "case $(uname -s) in\n"
                         "MINGW*|MSYS*|CYGWIN*) PATH=/usr/bin:$PATH\n"
                         "export PATH MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*' ;;\n"
                         "esac\n");
    buf_add_str(&script, text);
    buf_add_str(body, "flotilla_sh ");
    powershell_value(body, tmp_dir);
    buf_add_str(body, " (");
    powershell_bytes(body, buf_str(&script));
    buf_addf(body, ") %s\n", needs_git ? "$true" : "$false");
    buf_inherit_error(body, &script);
}

static void add_texts(struct buf *body, json_t *texts)
{
    buf_add_str(body, " @(");
    for (size_t i = 0; texts && i < json_object_array_length(texts); i++) {
        if (i > 0)
            buf_add_str(body, ", ");
        powershell_value(body, json_object_get_string(json_object_array_get_idx(texts, i)));
    }
    buf_add_char(body, ')');
}

static void run_program(struct buf *body, const struct script_run *run)
{
    if (run->token)
        add_export(body, "CI_JOB_TOKEN", run->token);
    buf_add_str(body, "flotilla_check (flotilla_start ");
    powershell_value(body, run->program);
    add_texts(body, run->words);
    buf_add_char(body, ' ');
    powershell_value(body, run->input ? run->input : "");
    buf_add_str(body, ")\n");
}

static void find_program(struct buf *body, const char *const *names, size_t n)
{
    buf_add_str(body, "flotilla_find ");
    powershell_array(body, names, n);
    buf_add_char(body, '\n');
}

static void add_globs(struct buf *body, json_t *patterns, bool deep)
{
    json_t *globs = json_object_new_array();

    for (size_t i = 0; globs && patterns && i < json_object_array_length(patterns); i++) {
        autobuf struct buf glob = BUF_INIT;

        powershell_glob(&glob, json_object_get_string(json_object_array_get_idx(patterns, i)),
                        deep);
        buf_inherit_error(body, &glob);
        (void) json_object_array_add(globs, json_object_new_string(buf_str(&glob)));
    }
    if (!globs)
        body->error = -ENOMEM;
    add_texts(body, globs);
    json_object_put(globs);
}

static void pack(struct buf *body, const struct script_archive *archive)
{
    buf_add_str(body, powershell_archives);
    buf_add_str(body, "$flotilla_names = @(flotilla_select");
    add_texts(body, archive->patterns);
    add_globs(body, archive->patterns, true);
    add_texts(body, archive->excluded);
    add_globs(body, archive->excluded, false);
    buf_add_str(body, archive->untracked ? " $true)\n" : " $false)\n");
    buf_add_str(body, archive->line ? "flotilla_upload " : "flotilla_keep ");
    powershell_value(body, archive->file);
    buf_add_char(body, ' ');
    if (archive->line) {
        powershell_value(body, archive->line);
        buf_add_char(body, ' ');
        powershell_value(body, archive->format);
    } else {
        buf_add_str(body, archive->sends ? "$true" : "$false");
    }
    buf_add_str(body, " $flotilla_names\n");
}

static void unpack(struct buf *body, const char *file, bool keeps)
{
    buf_add_str(body, powershell_archives);
    call(body, keeps ? "restore" : "download", file);
}

#define WRITER                                                                                     \
    .is_powershell = true, .add_command = add_command, .add_terminal = add_terminal, .wrap = wrap, \
    .ask_directory = ask_directory, .kill = kill_stage, .export = add_export,                      \
    .file_variable = file_variable, .trace = trace, .print = print_line, .section = add_section,   \
    .running_on = running_on, .change_directory = change_directory,                                \
    .make_directory = make_directory, .remove = remove_all, .remove_tree = remove_tree,            \
    .write_file = write_file, .job_command = job_command, .own_begin = own_begin, .unset = unset,  \
    .own_end = own_end, .sh = add_sh, .run = run_program, .find_program = find_program,            \
    .pack = pack, .unpack = unpack

const struct shell shell_pwsh = { .name = "pwsh", .load_env = load_env, WRITER };
const struct shell shell_powershell = { .name = "powershell",
                                        .load_env = load_env_and_go_on,
                                        WRITER };
