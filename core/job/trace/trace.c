/* core/job/trace/trace.c - the pipeline of a job's log (trace.h), in the order of hardening.md M5.
 *
 * Each stage appends to a buffer what it has decided, so a write costs a few passes over its bytes
 * and one write to the spool. Used by the job worker, from one thread.
 */
#include "core/job/trace/trace.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/trace/lines.h"
#include "core/job/trace/masker.h"
#include "core/job/trace/spool.h"
#include "core/job/trace/token_rules.h"
#include "core/job/trace/trace_rules.h"
#include "core/job/trace/url_rules.h"
#include "core/job/trace/utf8.h"

/* A write is worked on in parts of this size, so that scratch memory stays small. */
#define PART_SIZE ((size_t) 64 * 1024)
#define N_STREAMS 3
#define SHORT_PATTERN 4

#define CLEAR "\033[0K"
#define RESET "\033[0;m"
#define BOLD_GREEN "\033[32;1m"
#define BOLD_CYAN "\033[36;1m"
#define BOLD_RED "\033[31;1m"
#define YELLOW "\033[0;33m"

struct stream {
    struct masker masker;
    struct url_rules url;
    struct token_rules token;
    struct lines lines;
    struct utf8_repair utf8;
};

struct trace {
    struct patterns given; /* until the first write */
    struct masker_rules rules;
    struct token_prefixes prefixes;
    struct stream streams[N_STREAMS];
    struct sections sections;
    struct spool spool;
    struct buf masked, no_params, no_tokens, entries, repaired; /* scratch: what each stage gives */
    const struct clock *clock;
    size_t n_short; /* patterns that mask ordinary text */
    bool mask_encodings, with_sections, started, finished;
};

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; i < N_STREAMS; i++) {
        masker_done(&trace->streams[i].masker);
        lines_done(&trace->streams[i].lines);
    }
    masker_rules_done(&trace->rules);
    patterns_done(&trace->given);
    token_prefixes_done(&trace->prefixes);
    sections_done(&trace->sections);
    buf_done(&trace->masked);
    buf_done(&trace->no_params);
    buf_done(&trace->no_tokens);
    buf_done(&trace->entries);
    buf_done(&trace->repaired);
    free(trace);
}
DEFINE_AUTO_PTR(struct trace, trace_free)

static void init_streams(struct trace *trace, bool timestamps)
{
    static const struct {
        unsigned number;
        char type;
    } kinds[N_STREAMS] = {
        [TRACE_OURS] = { 0, 'O' },
        [TRACE_STDOUT] = { 1, 'O' },
        [TRACE_STDERR] = { 1, 'E' },
    };

    for (size_t i = 0; i < N_STREAMS; i++) {
        struct stream *stream = &trace->streams[i];

        masker_init(&stream->masker, &trace->rules);
        stream->token.prefixes = &trace->prefixes;
        stream->lines = (struct lines) { .clock = trace->clock,
                                         .timestamps = timestamps,
                                         .stream = kinds[i].number,
                                         .type = kinds[i].type };
    }
}

int trace_new(int spool_fd, const struct trace_options *options, struct trace **ret,
              struct error *err)
{
    auto_ptr(trace_free) struct trace *trace = mem_zero(sizeof(*trace));
    int rc;

    if (!trace)
        return error_set(err, -ENOMEM, "no memory for the job's log");
    trace->clock = options->clock ? options->clock : &clock_system;
    trace->mask_encodings = options->mask_encodings;
    trace->with_sections = options->sections;
    spool_init(&trace->spool, spool_fd, options->limit_bytes);
    init_streams(trace, options->timestamps);
    rc = token_prefixes_init(&trace->prefixes, options->mask_all_default_tokens,
                             options->token_prefixes, options->n_token_prefixes);
    if (rc < 0)
        return error_set(err, rc, "no memory for the token prefixes of the job's log");
    for (size_t i = 0; i < options->n_patterns; i++) {
        rc = trace_add_pattern(trace, options->patterns[i], err);
        if (rc < 0)
            return rc;
    }
    *ret = take_ptr(trace);
    return 0;
}

int trace_add_pattern(struct trace *trace, const char *pattern, struct error *err)
{
    size_t before = trace->given.count;
    int rc;

    if (trace->started)
        return error_set(err, -EINVAL,
                         "a value to mask came after the first line of the job's log");
    rc = patterns_add(&trace->given, pattern, err);
    if (trace->given.count > before && trace->given.items[before].len < SHORT_PATTERN)
        trace->n_short++;
    return rc;
}

size_t trace_short_patterns(const struct trace *trace)
{
    return trace->n_short;
}

/* Builds the automaton once all patterns are known: with the first write. */
static int start(struct trace *trace)
{
    struct patterns all = { 0 };
    int rc;

    if (trace->started)
        return 0;
    rc = patterns_expand(&trace->given, trace->mask_encodings, &all);
    if (rc == 0)
        rc = masker_rules_init(&trace->rules, &all, AUTOMATON_HEAD);
    patterns_done(&all);
    if (rc < 0)
        return rc;
    patterns_done(&trace->given);
    trace->started = true;
    return 0;
}

/* Nothing is written after a failure: a stage that stopped half-way could let a secret through. */
static int fail(struct trace *trace, int rc)
{
    if (trace->spool.error == 0)
        trace->spool.error = rc;
    return trace->spool.error;
}

/* Why nothing can be written now, or 0. */
static int refuse(struct trace *trace)
{
    int rc;

    if (trace->spool.error < 0)
        return trace->spool.error;
    if (trace->finished)
        return -ESHUTDOWN;
    rc = start(trace);
    return rc < 0 ? fail(trace, rc) : 0;
}

int trace_settle_rules(struct trace *trace, struct trace_rules *ret)
{
    int rc = refuse(trace);

    *ret = (struct trace_rules) { .masker = &trace->rules, .prefixes = &trace->prefixes };
    return rc;
}

/* Takes trace->masked through the other stages to the spool. With `end` the stream's held bytes are
 * written too. */
static int pass_on(struct trace *trace, struct stream *stream, bool end)
{
    const struct buf *stages[] = { &trace->masked, &trace->no_params, &trace->no_tokens,
                                   &trace->entries, &trace->repaired };

    buf_clear(&trace->no_params);
    url_rules_write(&stream->url, trace->masked.data, trace->masked.len, &trace->no_params);
    buf_clear(&trace->no_tokens);
    token_rules_write(&stream->token, trace->no_params.data, trace->no_params.len,
                      &trace->no_tokens);
    buf_clear(&trace->entries);
    lines_write(&stream->lines, trace->no_tokens.data, trace->no_tokens.len, &trace->entries);
    if (end)
        lines_end(&stream->lines, &trace->entries);
    buf_clear(&trace->repaired);
    utf8_repair_write(&stream->utf8, trace->entries.data, trace->entries.len, &trace->repaired);
    if (end)
        utf8_repair_end(&stream->utf8, &trace->repaired);
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        if (buf_error(stages[i]) < 0)
            return fail(trace, buf_error(stages[i]));
    return spool_write(&trace->spool, trace->repaired.data, trace->repaired.len);
}

static int write_part(struct trace *trace, struct stream *stream, const char *data, size_t len)
{
    int rc;

    buf_clear(&trace->masked);
    rc = masker_write(&stream->masker, data, len, &trace->masked);
    return rc < 0 ? fail(trace, rc) : pass_on(trace, stream, false);
}

int trace_write(struct trace *trace, enum trace_stream stream, const void *data, size_t len)
{
    const char *from = data;
    int rc = refuse(trace);

    /* What is behind the limit costs nothing: nobody will see it, and a job may print for hours. */
    while (rc == 0 && len > 0 && !trace->spool.full) {
        size_t part = MIN(len, PART_SIZE);

        rc = write_part(trace, &trace->streams[stream], from, part);
        from += part;
        len -= part;
    }
    return rc;
}

/* A line of ours is whole: no secret goes on in the next one, so nothing of it is held back. */
static int write_ours(struct trace *trace, const struct buf *text)
{
    struct stream *stream = &trace->streams[TRACE_OURS];
    int rc = refuse(trace);

    if (rc < 0 || trace->spool.full)
        return rc;
    buf_clear(&trace->masked);
    rc = buf_error(text);
    if (rc == 0)
        rc = masker_write(&stream->masker, text->data, text->len, &trace->masked);
    if (rc == 0)
        rc = masker_end(&stream->masker, false, &trace->masked);
    return rc < 0 ? fail(trace, rc) : pass_on(trace, stream, false);
}

int trace_line(struct trace *trace, enum trace_kind kind, const char *fmt, ...)
{
    static const char *const before[] = {
        [TRACE_PLAIN] = CLEAR,
        [TRACE_INFO] = BOLD_GREEN,
        [TRACE_CAUTION] = YELLOW,
        [TRACE_WARNING] = YELLOW "WARNING: ",
        [TRACE_ERROR] = BOLD_RED "ERROR: ",
        [TRACE_HEADLINE] = CLEAR BOLD_CYAN,
    };
    autobuf struct buf text = BUF_INIT;
    va_list args;

    buf_add_str(&text, before[kind]);
    va_start(args, fmt);
    buf_vaddf(&text, fmt, args);
    va_end(args);
    buf_add_str(&text, kind == TRACE_HEADLINE ? RESET RESET "\n" : RESET "\n");
    return write_ours(trace, &text);
}

/* The mark is written by itself: its carriage return makes it an entry of its own (lines.c). */
int trace_section_start(struct trace *trace, const char *name, const char *headline)
{
    autobuf struct buf mark = BUF_INIT;
    int rc = 0;

    if (trace->with_sections)
        rc = sections_start(&trace->sections, name, clock_wall_ms(trace->clock) / 1000, &mark);
    if (rc == 0 && mark.len > 0)
        rc = write_ours(trace, &mark);
    return rc < 0 ? rc : trace_line(trace, TRACE_HEADLINE, "%s", headline);
}

int trace_section_end(struct trace *trace, const char *name)
{
    autobuf struct buf mark = BUF_INIT;
    int rc = 0;

    if (trace->with_sections)
        rc = sections_end(&trace->sections, name, clock_wall_ms(trace->clock) / 1000, &mark);
    return rc < 0 || mark.len == 0 ? rc : write_ours(trace, &mark);
}

int trace_end_stream(struct trace *trace, enum trace_stream number, bool cut)
{
    struct stream *stream = &trace->streams[number];
    int rc = refuse(trace);

    if (rc < 0)
        return rc;
    buf_clear(&trace->masked);
    rc = masker_end(&stream->masker, cut, &trace->masked);
    rc = rc < 0 ? fail(trace, rc) : pass_on(trace, stream, true);
    stream->url = (struct url_rules) { 0 };
    stream->token = (struct token_rules) { .prefixes = &trace->prefixes };
    return rc;
}

int trace_flush(struct trace *trace)
{
    return trace->spool.error;
}

int trace_finish(struct trace *trace, bool cut)
{
    static const enum trace_stream order[] = { TRACE_STDOUT, TRACE_STDERR, TRACE_OURS };
    int rc = 0;

    if (trace->finished)
        return trace->spool.error;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        int ended = trace_end_stream(trace, order[i], cut);

        rc = rc < 0 ? rc : ended;
    }
    trace->finished = true;
    return rc;
}

int64_t trace_size(const struct trace *trace)
{
    return trace->spool.size;
}

uint32_t trace_crc(const struct trace *trace)
{
    return trace->spool.crc;
}
