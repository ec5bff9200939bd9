/* core/job/helper.c - the choice of the way, and the direct one (helper.h).
 *
 * A secret reaches the helper of the instance in the script that is fed to the shell: our own reads its
 * token from stdin, the peer's from its environment alone (hardening.md S4). */
#include "core/job/helper.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"
#include "core/job/words.h"

#define ANSWER_MAX 4096
#define OURS "flotilla-helper"
#define PEERS "gitlab-runner"

/* The first that answers, and what kind of machine this is. */
static struct end ask(struct job *job, struct buf *answer)
{
    autobuf struct buf body = BUF_INIT;

    stage_own_begin(job, &body);
    buf_add_str(&body, "for helper in " OURS " " PEERS " none; do\n"
                       "  [ \"$helper\" != none ] || break\n"
                       "  ! \"$helper\" --version > /dev/null 2>&1 < /dev/null || break\n"
                       "done\n"
                       "printf '%s %s %s\\n' \"$helper\" \"$(uname -s)\" \"$(uname -m)\"\n");
    script_own_end(&body);
    return stage_execute(job, &body, STAGE_VARIABLES | STAGE_UNTRACED, job->deadline_ms, answer);
}

static void take_answer(struct job *job, struct buf *answer)
{
    struct helper *helper = &job->helper;
    const char *line = output_last_line(answer), *name = line ? line : "";
    size_t len = strcspn(name, " ");

    if (len == strlen(OURS) && str_starts(name, OURS))
        helper->program = OURS;
    else if (len == strlen(PEERS) && str_starts(name, PEERS))
        helper->program = PEERS;
    (void) str_copy(helper->machine, sizeof(helper->machine), name[len] ? name + len + 1 : "");
}

static void choose(struct job *job)
{
    const char *wanted = text_of(job->runner, "helper", "auto");
    struct helper *helper = &job->helper;

    helper->way = HELPER_NOBODY;
    if (helper->program && !str_eq(wanted, "stream")) {
        helper->way = HELPER_DIRECT;
        (void) trace_line(
            job->trace, TRACE_PLAIN, "Artifacts and caches are carried by %s of the instance%s",
            helper->program, str_eq(wanted, "direct") ? " (helper = \"direct\")" : "");
    }
}

struct end helper_choose(struct job *job)
{
    autobuf struct buf answer = { .max = ANSWER_MAX };
    struct end end = end_ok();

    if (job->helper.way != HELPER_UNKNOWN)
        return end;
    end = ask(job, &answer);
    if (end.kind != END_OK)
        return end;
    take_answer(job, &answer);
    choose(job);
    return end;
}

void helper_say_missing(struct job *job, const char *what)
{
    (void) trace_line(job->trace, TRACE_CAUTION, "Missing " PEERS ". %s is disabled.", what);
}

static void add_words(struct buf *body, json_t *words)
{
    for (size_t i = 0; words && i < json_object_array_length(words); i++) {
        buf_add_char(body, ' ');
        quote_word(body, words_at(words, i));
    }
}

static struct end run_direct(struct job *job, const struct helper_call *call)
{
    autobuf struct buf body = BUF_SECRET;
    bool ours = str_eq(job->helper.program, OURS);

    stage_own_begin(job, &body);
    script_command(&body, (const char *const[]) { "cd", "--", job->build_dir, NULL });
    if (call->token) {
        buf_add_str(&body, ours ? "printf '%s' " : "CI_JOB_TOKEN=");
        quote_word(&body, call->token);
        buf_add_str(&body, ours ? " | " : " ");
    }
    buf_addf(&body, "%s %s", job->helper.program, call->command);
    add_words(&body, call->direct);
    if (call->token && ours)
        buf_add_str(&body, " --token-stdin");
    add_words(&body, call->words);
    buf_add_char(&body, '\n');
    script_own_end(&body);
    return stage_execute(job, &body, STAGE_VARIABLES | STAGE_UNTRACED, job->deadline_ms, NULL);
}

struct end helper_run(struct job *job, const struct helper_call *call)
{
    if (!call->words || !call->direct)
        return end_make(END_SYSTEM, "the helper's command cannot be made: memory is short");
    return run_direct(job, call);
}

#define PADDED 50

void helper_line(struct job *job, enum helper_level level, const char *message, const char *fields)
{
    static const struct {
        const char *color, *prefix;
    } looks[] = {
        [HELPER_INFO] = { "", "" },
        [HELPER_WARNING] = { "\033[0;33m", "WARNING: " },
        [HELPER_ERROR] = { "\033[31;1m", "ERROR: " },
        [HELPER_FATAL] = { "\033[31;1m", "FATAL: " },
    };
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s%s%-*s\033[0;m %s\n", looks[level].color, looks[level].prefix,
             PADDED - (int) strlen(looks[level].prefix), message, fields);
    if (buf_error(&line) == 0)
        (void) trace_write(job->trace, TRACE_STDERR, line.data, line.len);
}
