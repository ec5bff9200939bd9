/* core/job/packer.c - see packer.h.
 *
 * The call's options are those of flotilla-helper(1). Of its environment, variables in patterns are replaced here, as
 * in every other text of the job. */
#include "core/job/packer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/words.h"

/* As the `uname` of Git for Windows and its kin begins. */
static bool is_unix_on_windows(const char *machine)
{
    return str_starts(machine, "MINGW") || str_starts(machine, "MSYS") ||
           str_starts(machine, "CYGWIN");
}

bool packer_may_be(const struct job *job)
{
    return is_unix_on_windows(job->helper.machine) ||
           (str_starts(job->helper.machine, "Windows ") && job->shell->pack);
}

/* Git's sh calls `C:/builds` `/c/builds`, and has such names for other directories as well. */
static struct end ask_names(struct job *job, const char *const *names, size_t n, struct buf *answer)
{
    autojson json_t *words = words_new();
    const struct script_run run = { .program = "cygpath", .words = words };
    autobuf struct buf body = BUF_INIT;

    words_add(&words, "-m");
    words_add(&words, "--");
    for (size_t i = 0; i < n; i++)
        words_add(&words, names[i]);
    if (!words)
        return end_make(END_SYSTEM, "the instance cannot be asked: memory is short");
    stage_own_begin(job, &body);
    job->shell->run(&body, &run);
    job->shell->own_end(&body);
    return stage_execute(job, &body, STAGE_UNTRACED, job->deadline_ms, answer);
}

/* The last lines, from the last on: a login may have printed others. */
static struct end take_names(struct buf *answer, char **const *rets, size_t n)
{
    while (n-- > 0) {
        const char *line = answer->len > 0 ? output_last_line(answer) : NULL;

        if (str_empty(line))
            return end_make(END_EXIT, "cygpath does not say what it was asked");
        *rets[n] = mem_strdup(line);
        if (!*rets[n])
            return end_make(END_SYSTEM, "the instance's names cannot be kept: memory is short");
        answer->len = (size_t) (line - answer->data);
    }
    return end_ok();
}

struct end packer_find(struct job *job)
{
    struct packer *packer = &job->helper.packer;
    const char *const names[] = { job->build_dir, job->tmp_dir,
                                  job->cache_dir ? job->cache_dir : job->tmp_dir };
    char **const rets[] = { &packer->build_dir, &packer->tmp_dir, &packer->cache_dir };
    autobuf struct buf answer = BUF_INIT;
    bool translates = is_unix_on_windows(job->helper.machine);
    struct end end = end_ok();

    packer_done(job);
    if (translates)
        end = ask_names(job, names, ARRAY_LEN(names), &answer);
    else
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            buf_addf(&answer, "%s\n", names[i]);
    if (end.kind == END_OK)
        end = take_names(&answer, rets, ARRAY_LEN(rets));
    if (end.kind == END_OK)
        packer->shell = translates ? shell_by_name("powershell") : job->shell;
    return end;
}

void packer_done(struct job *job)
{
    struct packer *packer = &job->helper.packer;

    free(packer->build_dir);
    free(packer->tmp_dir);
    free(packer->cache_dir);
    *packer = (struct packer) { 0 };
}

void packer_swap(struct job *job)
{
    struct packer *packer = &job->helper.packer;
    const struct shell *shell = job->shell;
    char *tmp_dir = job->tmp_dir;

    job->shell = packer->shell;
    packer->shell = shell;
    job->tmp_dir = packer->tmp_dir;
    packer->tmp_dir = tmp_dir;
}

/* The option's last value; "" when it is not given. */
static const char *option(const struct helper_call *call, const char *name)
{
    const char *value = "";

    for (size_t i = 0; i + 1 < json_object_array_length(call->words); i++)
        if (str_eq(words_at(call->words, i), name))
            value = words_at(call->words, i + 1);
    return value;
}

static bool has_flag(const struct helper_call *call, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(call->words); i++)
        if (str_eq(words_at(call->words, i), name))
            return true;
    return false;
}

/* Below the project's directory, which an absolute one names first. */
static const char *below(const struct job *job, const char *pattern)
{
    size_t len = strlen(job->build_dir);

    if (strncmp(pattern, job->build_dir, len) != 0)
        return pattern;
    return pattern[len] == '/' ? pattern + len + 1 : pattern[len] ? pattern : ".";
}

static json_t *patterns_of(const struct job *job, const struct helper_call *call, const char *name)
{
    json_t *list = words_new();

    for (size_t i = 0; i + 1 < json_object_array_length(call->words); i++) {
        autobuf struct buf text = BUF_INIT;

        if (!str_eq(words_at(call->words, i), name))
            continue;
        variables_expand_text(&job->variables, words_at(call->words, i + 1), job->tmp_dir, &text);
        words_add(&list, below(job, buf_str(&text)));
    }
    return list;
}

/* How the transfer is told what GitLab shall call the file (job-execution.md 6.1). */
static char *line_of(const struct job *job, const struct helper_call *call)
{
    static const struct {
        const char *format, *suffix;
    } suffixes[] = { { "gzip", ".gz" }, { "raw", "" }, { "zip", ".zip" }, { "", ".zip" } };
    autojson json_t *line = json_object_new_object();
    autobuf struct buf name = BUF_INIT;
    const char *given = option(call, "--name"), *slash;

    variables_expand_text(&job->variables, *given ? given : "artifacts", job->tmp_dir, &name);
    slash = strrchr(buf_str(&name), '/');
    if (slash)
        buf_consume(&name, (size_t) (slash + 1 - buf_str(&name)));
    if (name.len == 0 || str_eq(buf_str(&name), ".")) {
        buf_clear(&name);
        buf_add_str(&name, "default");
    }
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (str_eq(option(call, "--artifact-format"), suffixes[i].format))
            buf_add_str(&name, suffixes[i].suffix);
    (void) json_add_str(line, "file_name", buf_str(&name));
    return line && buf_error(&name) == 0 ? mem_strdup(json_text(line)) : NULL;
}

static bool can_make(const char *format)
{
    return !*format || str_eq(format, "zip") || str_eq(format, "gzip") || str_eq(format, "raw");
}

/* A cache's archive, as the packer calls it; of others, where nothing is, and what the clean-up knows. */
static void add_place(const struct job *job, const struct helper_call *call, struct buf *out)
{
    const char *file = option(call, "--file");

    if (*file && job->cache_dir && str_starts(file, job->cache_dir))
        buf_addf(out, "%s%s", job->helper.packer.cache_dir, file + strlen(job->cache_dir));
    else
        buf_addf(out, "%s/" HELPER_FILE, job->tmp_dir);
}

static int add_pack(struct job *job, const struct helper_call *call, struct buf *body,
                    const char *place, struct error *err)
{
    const char *format = option(call, "--artifact-format");
    bool uploads = str_eq(call->command, "artifacts-uploader");
    autojson json_t *patterns = patterns_of(job, call, "--path");
    autojson json_t *excluded = patterns_of(job, call, "--exclude");
    autofree char *line = uploads ? line_of(job, call) : NULL;
    const struct script_archive archive = { .patterns = patterns,
                                            .excluded = excluded,
                                            .untracked = has_flag(call, "--untracked"),
                                            .line = line,
                                            .format = *format ? format : "zip",
                                            .file = place,
                                            .sends = call->request != NULL };

    if (!can_make(format))
        return error_set(err, -EPERM,
                         "the format %s needs flotilla-helper or gitlab-runner on the instance",
                         format);
    if (!patterns || !excluded || (uploads && !line))
        return error_set(err, -ENOMEM, "the archive cannot be made: memory is short");
    job->shell->pack(body, &archive);
    return 0;
}

int packer_script(struct job *job, const struct helper_call *call, struct buf *out,
                  struct error *err)
{
    autobuf struct buf body = BUF_INIT, place = BUF_INIT;
    int r = 0;

    add_place(job, call, &place);
    stage_own_begin(job, &body);
    job->shell->change_directory(&body, job->helper.packer.build_dir);
    if (call->upload)
        r = add_pack(job, call, &body, buf_str(&place), err);
    else
        job->shell->unpack(&body, buf_str(&place), str_eq(call->command, "cache-extractor"));
    job->shell->own_end(&body);
    buf_inherit_error(&body, &place);
    if (r == 0 && (buf_error(&body) < 0 ||
                   stage_script(job, buf_str(&body), STAGE_VARIABLES | STAGE_UNTRACED, out) < 0))
        r = error_set(err, -ENOMEM, "the archive cannot be made: memory is short");
    return r;
}
