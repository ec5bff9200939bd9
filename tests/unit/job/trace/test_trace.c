/* tests/unit/job/trace/test_trace.c - mirrors core/job/trace/trace.c with lines.c and spool.c: the
 * whole pipeline into a real file. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/crc32.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/trace/lines.h"
#include "core/job/trace/trace.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/harness.h"

/* 2026-11-23T10:00:00.000Z, the time of the examples in coordinator-protocol.md 5.7. */
#define NOW_MS INT64_C(1795428000000)
#define NOTICE(limit)                                                                              \
    "\n\033[33;1mJob's log exceeded limit of " limit " bytes.\n"                                   \
    "Job execution will continue but no more output will be collected.\033[0;m\n"

struct fixture {
    int fd;
    struct clock_fake clock;
    struct trace *trace;
};

static void open_trace(struct fixture *f, struct trace_options options)
{
    struct error err = { 0 };

    f->fd = memfd_create("spool", MFD_CLOEXEC);
    assert_true(f->fd >= 0);
    clock_fake_init(&f->clock, NOW_MS);
    options.clock = &f->clock.clock;
    if (trace_new(f->fd, &options, &f->trace, &err) < 0)
        fail_msg("%s", err.message);
}

static void close_trace(struct fixture *f)
{
    trace_free(f->trace);
    (void) close(f->fd);
}

static void put(struct fixture *f, enum trace_stream stream, const char *text)
{
    assert_int_equal(trace_write(f->trace, stream, text, strlen(text)), 0);
}

/* What is in the file, after checking that size and CRC are the file's. */
static void read_spool(struct fixture *f, struct buf *out)
{
    off_t size = lseek(f->fd, 0, SEEK_END);

    buf_clear(out);
    assert_int_equal(buf_reserve(out, (size_t) size + 1), 0);
    assert_int_equal(pread(f->fd, out->data, (size_t) size, 0), size);
    out->len = (size_t) size;
    out->data[out->len] = '\0';
    assert_int_equal(trace_size(f->trace), size);
    assert_int_equal(trace_crc(f->trace), crc32_update(0, out->data, out->len));
}

static void assert_spool(struct fixture *f, const char *why, const char *want)
{
    autobuf struct buf got = BUF_INIT;

    read_spool(f, &got);
    if (!str_eq(buf_str(&got), want))
        fail_msg("%s: \"%s\", not \"%s\"", why, buf_str(&got), want);
}

static void test_coordinator_v21_sizes_and_checksums(void **unused)
{
    static const struct {
        const char *why;
        size_t filler;
        const char *text, *crc;
        int64_t size, limit;
    } cases[] = {
        { "empty", 0, "", "crc32:00000000", 0, 0 },
        { "hello", 0, "hello\n", "crc32:363a3020", 6, 0 },
        { "hello world", 0, "hello world", "crc32:0d4a1185", 11, 0 },
        { "limit inside a write", 1020, "0123456789", "crc32:77b015d7", 1143, 1024 },
        { "limit inside a character", 1022, "€y", "crc32:a12d63c3", 1141, 1024 },
        { "UTF-8", 0,
          "a\xff"
          "b",
          "crc32:d0b99122", 5, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        char crc[15];

        open_trace(&f, (struct trace_options) { .limit_bytes = cases[i].limit });
        for (size_t n = 0; n < cases[i].filler; n++)
            put(&f, TRACE_STDOUT, "x");
        put(&f, TRACE_STDOUT, cases[i].text);
        assert_int_equal(trace_finish(f.trace, false), 0);
        crc32_format(trace_crc(f.trace), crc);
        if (!str_eq(crc, cases[i].crc) || trace_size(f.trace) != cases[i].size)
            fail_msg("%s: %s, %lld bytes", cases[i].why, crc, (long long) trace_size(f.trace));
        close_trace(&f);
    }
}

static void test_one_notice_at_the_limit_and_nothing_after_it(void **unused)
{
    static const struct {
        const char *why, *first, *second, *want;
    } cases[] = {
        { "one byte below", "1234567", "", "1234567" },
        { "exactly the limit", "1234", "5678", "12345678" NOTICE("8") },
        { "over the limit", "1234", "56789", "12345678" NOTICE("8") },
        { "far over in one write", "123456789012345678901234567890", "", "12345678" NOTICE("8") },
        { "a character that does not fit", "12345", "€€", "12345€" NOTICE("8") },
        { "a character that is cut", "123456", "€", "123456" NOTICE("8") },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        open_trace(&f, (struct trace_options) { .limit_bytes = 8 });
        put(&f, TRACE_STDOUT, cases[i].first);
        put(&f, TRACE_STDERR, cases[i].second);
        if (strlen(cases[i].want) > 8) {
            put(&f, TRACE_STDOUT, "more");
            assert_int_equal(trace_line(f.trace, TRACE_ERROR, "Job failed"), 0);
            assert_int_equal(trace_section_start(f.trace, "x", "y"), 0);
        }
        assert_int_equal(trace_finish(f.trace, false), 0);
        assert_spool(&f, cases[i].why, cases[i].want);
        close_trace(&f);
    }
}

static void test_the_notice_comes_with_the_write_that_fills_the_log(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { .limit_bytes = 8 });
    put(&f, TRACE_STDOUT, "1234567");
    assert_spool(&f, "below", "1234567");
    put(&f, TRACE_STDOUT, "8");
    assert_spool(&f, "full", "12345678" NOTICE("8"));
    close_trace(&f);
}

static void test_the_default_limit_is_4_mib_with_a_notice_of_122_bytes(void **unused)
{
    struct fixture f;
    autobuf struct buf text = BUF_INIT;

    for (size_t i = 0; i < 65536; i++)
        buf_add_char(&text, 'x');
    open_trace(&f, (struct trace_options) { 0 });
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(trace_write(f.trace, TRACE_STDOUT, text.data, text.len), 0);
    assert_int_equal(trace_size(f.trace), 4194304 + 122);
    close_trace(&f);
}

static void test_lines_of_ours_have_their_colours(void **unused)
{
    static const struct {
        enum trace_kind kind;
        const char *want;
    } cases[] = {
        { TRACE_PLAIN, "\033[0Ka b\033[0;m\n" },
        { TRACE_INFO, "\033[32;1ma b\033[0;m\n" },
        { TRACE_WARNING, "\033[0;33mWARNING: a b\033[0;m\n" },
        { TRACE_ERROR, "\033[31;1mERROR: a b\033[0;m\n" },
        { TRACE_HEADLINE, "\033[0K\033[36;1ma b\033[0;m\033[0;m\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        open_trace(&f, (struct trace_options) { 0 });
        assert_int_equal(trace_line(f.trace, cases[i].kind, "a %s", "b"), 0);
        assert_spool(&f, "kind", cases[i].want);
        close_trace(&f);
    }
}

#define T0 "2026-11-23T10:00:00.000000Z "

static void test_sections_and_timestamps_look_as_gitlab_reads_them(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { .timestamps = true, .sections = true });
    assert_int_equal(trace_section_start(f.trace, "prepare_script", "Preparing environment"), 0);
    clock_fake_advance(&f.clock, 61005);
    put(&f, TRACE_STDOUT, "one\ntwo\n");
    assert_int_equal(trace_section_end(f.trace, "prepare_script"), 0);
    assert_int_equal(trace_line(f.trace, TRACE_INFO, "Job succeeded"), 0);
    assert_int_equal(trace_finish(f.trace, false), 0);
    assert_spool(&f, "5.7",
                 T0
                 "00O section_start:1795428000:prepare_script\r\033[0K\n" T0
                 "00O+\033[0K\033[36;1mPreparing environment\033[0;m\033[0;m\n"
                 "2026-11-23T10:01:01.005000Z 01O one\n"
                 "2026-11-23T10:01:01.005000Z 01O two\n"
                 "2026-11-23T10:01:01.005000Z 00O section_end:1795428061:prepare_script\r\033[0K\n"
                 "2026-11-23T10:01:01.005000Z 00O+\033[32;1mJob succeeded\033[0;m\n");
    close_trace(&f);
}

static void test_our_lines_are_whole_although_a_secret_may_begin_at_their_end(void **unused)
{
    static const char *const secrets[] = { "Kennwort" };
    struct fixture f;

    open_trace(&f,
               (struct trace_options) {
                   .patterns = secrets, .n_patterns = 1, .timestamps = true, .sections = true });
    assert_int_equal(trace_section_start(f.trace, "x", "h"), 0);
    assert_spool(&f, "the mark ends with K",
                 T0 "00O section_start:1795428000:x\r\033[0K\n" T0
                    "00O+\033[0K\033[36;1mh\033[0;m\033[0;m\n");
    close_trace(&f);
}

static void test_timestamps_mark_lines_and_their_continuations(void **unused)
{
    static const struct {
        const char *why, *writes[4], *want;
    } cases[] = {
        { "one prefix a line feed", { "a\n\nb\n" }, T0 "01O a\n" T0 "01O \n" T0 "01O b\n" },
        { "a line over writes", { "a", "b", "c\n" }, T0 "01O abc\n" },
        { "no line feed at the end", { "a\nb" }, T0 "01O a\n" T0 "01O b\n" },
        { "a progress display",
          { "10%\r", "20%\r", "done\n" },
          T0 "01O 10%\r\n" T0 "01O+20%\r\n" T0 "01O+done\n" },
        { "the whole rest goes with its carriage return",
          { "a\nb\rc", "d\n", "e\n" },
          T0 "01O a\n" T0 "01O b\rc\n" T0 "01O+d\n" T0 "01O e\n" },
        { "a carriage return inside a whole line",
          { "a\rb\r\nc\n" },
          T0 "01O a\rb\r\n" T0 "01O c\n" },
        { "no character is cut by a carriage return",
          { "a\r\xe2\x82", "\xac\n" },
          T0 "01O a\r\n" T0 "01O+€\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        open_trace(&f, (struct trace_options) { .timestamps = true });
        for (size_t n = 0; n < ARRAY_LEN(cases[i].writes) && cases[i].writes[n]; n++)
            put(&f, TRACE_STDOUT, cases[i].writes[n]);
        assert_int_equal(trace_end_stream(f.trace, TRACE_STDOUT, false), 0);
        assert_spool(&f, cases[i].why, cases[i].want);
        close_trace(&f);
    }
}

static void test_the_time_of_a_line_is_that_of_its_first_byte(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { .timestamps = true });
    put(&f, TRACE_STDERR, "a");
    clock_fake_advance(&f.clock, 1);
    put(&f, TRACE_STDERR, "b\nc\n");
    assert_spool(&f, "time", T0 "01E ab\n2026-11-23T10:00:00.001000Z 01E c\n");
    close_trace(&f);
}

static void test_streams_do_not_mix_in_one_line_and_begin_anew_after_their_end(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { .timestamps = true });
    put(&f, TRACE_STDOUT, "out");
    put(&f, TRACE_STDERR, "err\n");
    put(&f, TRACE_STDOUT, "put\nx\r");
    assert_int_equal(trace_end_stream(f.trace, TRACE_STDOUT, false), 0);
    put(&f, TRACE_STDOUT, "next stage\n");
    assert_spool(&f, "streams",
                 T0 "01E err\n" T0 "01O output\n" T0 "01O x\r\n" T0 "01O next stage\n");
    close_trace(&f);
}

static void test_text_without_line_feed_is_flushed_at_8192_bytes(void **unused)
{
    struct fixture f;
    autobuf struct buf text = BUF_INIT, want = BUF_INIT, got = BUF_INIT;

    for (size_t i = 0; i < LINES_HELD_MAX - LINES_PREFIX; i++)
        buf_add_char(&text, 'x');
    open_trace(&f, (struct trace_options) { .timestamps = true });
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, text.data, text.len), 0);
    assert_int_equal(trace_size(f.trace), 0);
    put(&f, TRACE_STDOUT, "y");
    put(&f, TRACE_STDOUT, "z\n");
    buf_add_str(&want, T0 "01O ");
    buf_add(&want, text.data, text.len);
    buf_add_str(&want, "y\n" T0 "01O+z\n");
    read_spool(&f, &got);
    assert_string_equal(buf_str(&got), buf_str(&want));
    close_trace(&f);
}

static void test_each_stream_masks_for_itself_and_our_lines_too(void **unused)
{
    static const char *const secrets[] = { " secret-one ", "two-lines\nof-secret" };
    struct fixture f;

    open_trace(&f, (struct trace_options) { .patterns = secrets, .n_patterns = 2 });
    put(&f, TRACE_STDOUT, "secret");
    put(&f, TRACE_STDERR, "-one secret-");
    put(&f, TRACE_STDOUT, "-one\n");
    put(&f, TRACE_STDERR, "one\n");
    assert_int_equal(trace_line(f.trace, TRACE_PLAIN, "host secret-one: two-lines\nof-secret"), 0);
    assert_int_equal(trace_finish(f.trace, false), 0);
    assert_spool(&f, "M4 and M11",
                 "-one [MASKED]\n[MASKED]\n\033[0Khost [MASKED]: [MASKED]\033[0;m\n");
    close_trace(&f);
}

/* Each stream is looked through by itself (hardening.md M4). */
static void test_job_execution_10_3_halves_on_two_streams_are_no_secret(void **unused)
{
    static const char *const secrets[] = { "se-cret" };
    struct fixture f;

    (void) unused;
    open_trace(&f, (struct trace_options) { .patterns = secrets, .n_patterns = 1 });
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, "se-", 3), 0);
    assert_int_equal(trace_write(f.trace, TRACE_STDERR, "cret\n", 5), 0);
    assert_int_equal(trace_end_stream(f.trace, TRACE_STDOUT, false), 0);
    assert_spool(&f, "halves", "cret\nse-");
    close_trace(&f);
}

static void test_hardening_31_a_cut_stream_shows_no_half_secret(void **unused)
{
    static const char *const secrets[] = { "correct horse battery" };
    static const struct {
        const char *why, *want;
        bool cut;
        int64_t limit;
    } cases[] = {
        { "the stream ended by itself", "pw: correct horse", false, 0 },
        { "abort or lost instance", "pw: [MASKED]", true, 0 },
        { "limit", "pw: " NOTICE("4"), false, 4 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        open_trace(&f, (struct trace_options) {
                           .patterns = secrets, .n_patterns = 1, .limit_bytes = cases[i].limit });
        put(&f, TRACE_STDOUT, "pw: correct horse");
        assert_int_equal(trace_end_stream(f.trace, TRACE_STDOUT, cases[i].cut), 0);
        assert_spool(&f, cases[i].why, cases[i].want);
        close_trace(&f);
    }
}

static void test_the_stages_work_in_their_order(void **unused)
{
    static const char *const secrets[] = { "token=hunter22", "\xff\xfe\xff" };
    static const char *const prefixes[] = { "tk_" };
    struct fixture f;

    open_trace(&f, (struct trace_options) { .patterns = secrets,
                                            .n_patterns = 2,
                                            .token_prefixes = prefixes,
                                            .n_token_prefixes = 1,
                                            .timestamps = true });
    put(&f, TRACE_STDOUT,
        "?private_token=hunter22&rss_token=tk_1 glpat-abc tk_2 \xff\xfe\xff\xff\n");
    assert_spool(&f, "a secret before the URL rule and before the repair",
                 T0 "01O ?private_[MASKED]&rss_token=[MASKED] glpat-[MASKED] tk_[MASKED] "
                    "[MASKED]\xef\xbf\xbd\n");
    close_trace(&f);
}

static void test_hardening_34_halves_of_characters_and_nul_pass_over_writes(void **unused)
{
    static const char bytes[] = "a\xff\xfe\xe2\x82\xac\0z\n";
    static const char want[] = "a\xef\xbf\xbd\xef\xbf\xbd\xe2\x82\xac\0z\n";
    struct fixture f;
    autobuf struct buf got = BUF_INIT;

    open_trace(&f, (struct trace_options) { 0 });
    for (size_t i = 0; i < sizeof(bytes) - 1; i++)
        assert_int_equal(trace_write(f.trace, TRACE_STDOUT, bytes + i, 1), 0);
    read_spool(&f, &got);
    assert_int_equal(got.len, sizeof(want) - 1);
    assert_memory_equal(got.data, want, got.len);
    close_trace(&f);
}

static long max_rss_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void test_hardening_35_memory_stays_flat_without_line_feeds(void **unused)
{
    static const char *const secrets[] = { "x-secret-of-the-job" };
    struct fixture f;
    autobuf struct buf text = BUF_INIT;
    long before;

    for (size_t i = 0; i < 256 * 1024; i++)
        buf_add_char(&text, 'x');
    clock_fake_init(&f.clock, NOW_MS);
    f.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(trace_new(f.fd,
                               &(struct trace_options) { .patterns = secrets,
                                                         .n_patterns = 1,
                                                         .mask_encodings = true,
                                                         .timestamps = true,
                                                         .clock = &f.clock.clock,
                                                         .limit_bytes = INT64_C(1) << 40 },
                               &f.trace, NULL),
                     0);
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, text.data, text.len), 0);
    before = max_rss_kib();
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(trace_write(f.trace, TRACE_STDOUT, text.data, text.len), 0);
    assert_true(trace_size(f.trace) > 512 * 256 * 1024);
    assert_true(max_rss_kib() - before < 2048);
    close_trace(&f);
}

static void test_hardening_35_marks_of_sections_are_limited(void **unused)
{
    struct fixture f;
    autobuf struct buf got = BUF_INIT;
    char name[SECTION_NAME_MAX + 2];
    size_t marks = 0;

    open_trace(&f, (struct trace_options) { .sections = true, .limit_bytes = 1 << 30 });
    assert_int_equal(trace_section_end(f.trace, "never_opened"), 0);
    assert_spool(&f, "an end without a beginning", "");
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(trace_section_start(f.trace, name, "long"), 0);
    assert_spool(&f, "129 bytes are too many", "\033[0K\033[36;1mlong\033[0;m\033[0;m\n");
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(trace_section_start(f.trace, "step", "h"), 0);
    read_spool(&f, &got);
    for (const char *at = buf_str(&got); (at = strstr(at, "section_start:")) != NULL; at++)
        marks++;
    assert_int_equal(marks, SECTIONS_MAX);
    assert_int_equal(trace_section_end(f.trace, "step"), 0);
    assert_int_equal(trace_section_start(f.trace, name + 1, "h"), 0);
    read_spool(&f, &got);
    assert_non_null(strstr(buf_str(&got), "section_end:1795428000:step\r\033[0K"));
    assert_non_null(strstr(buf_str(&got), name + 1));
    close_trace(&f);
}

static void test_section_names_are_made_readable_for_gitlab(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { .sections = true });
    assert_int_equal(trace_section_start(f.trace, "step_my step\n1", "h"), 0);
    assert_spool(&f, "name",
                 "section_start:1795428000:step_my_step_1\r\033[0K\033[0K\033[36;1mh\033[0;m\033[0;"
                 "m\n");
    close_trace(&f);
    open_trace(&f, (struct trace_options) { 0 });
    assert_int_equal(trace_section_start(f.trace, "step", "h"), 0);
    assert_int_equal(trace_section_end(f.trace, "step"), 0);
    assert_spool(&f, "without trace_sections", "\033[0K\033[36;1mh\033[0;m\033[0;m\n");
    close_trace(&f);
}

static void test_a_spool_that_cannot_be_written_is_reported_from_then_on(void **unused)
{
    struct trace_options options = { 0 };
    struct trace *trace = NULL;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(trace_new(fd, &options, &trace, NULL), 0);
    assert_int_equal(trace_write(trace, TRACE_STDOUT, "x", 1), -ENOSPC);
    assert_int_equal(trace_line(trace, TRACE_INFO, "x"), -ENOSPC);
    assert_int_equal(trace_flush(trace), -ENOSPC);
    assert_int_equal(trace_finish(trace, false), -ENOSPC);
    assert_int_equal(trace_size(trace), 0);
    assert_int_equal(trace_crc(trace), 0);
    trace_free(trace);
    (void) close(fd);
}

/* A limit on the file's size makes the kernel take a part of the data: size and CRC must be those
 * of the part. */
static void test_a_spool_that_took_a_part_has_the_size_and_crc_of_the_part(void **unused)
{
    struct rlimit old, small = { .rlim_cur = 10 };
    struct fixture f;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    (void) signal(SIGXFSZ, SIG_IGN);
    open_trace(&f, (struct trace_options) { 0 });
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, "0123456789abc", 13), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_spool(&f, "part", "0123456789");
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, "d", 1), -EFBIG);
    assert_spool(&f, "no gap", "0123456789");
    close_trace(&f);
}

static void test_patterns_are_complete_before_the_first_write_and_within_limits(void **unused)
{
    struct fixture f;
    struct error err = { 0 };
    char values[1001][8];
    const char *patterns[1001];
    struct trace_options options = { .patterns = patterns, .n_patterns = 1001 };
    struct trace *trace = NULL;

    open_trace(&f, (struct trace_options) { 0 });
    assert_int_equal(trace_add_pattern(f.trace, "late-secret", &err), 0);
    put(&f, TRACE_STDOUT, "late-secret\n");
    assert_int_equal(trace_add_pattern(f.trace, "later", &err), -EINVAL);
    assert_spool(&f, "added", "[MASKED]\n");
    for (size_t i = 0; i < 1001; i++) {
        (void) snprintf(values[i], sizeof(values[i]), "v%05zu", i);
        patterns[i] = values[i];
    }
    assert_int_equal(trace_new(f.fd, &options, &trace, &err), -E2BIG);
    assert_non_null(strstr(err.message, "1000"));
    assert_null(trace);
    close_trace(&f);
}

static void test_short_secrets_are_counted_once_each(void **unused)
{
    static const char *const secrets[] = { "abc", " abc ", "", "abcd", "é" };
    struct fixture f;

    open_trace(&f, (struct trace_options) { .patterns = secrets, .n_patterns = 5 });
    assert_int_equal(trace_short_patterns(f.trace), 2);
    put(&f, TRACE_STDOUT, "x");
    assert_int_equal(trace_short_patterns(f.trace), 2);
    close_trace(&f);
}

/* Every allocation fails once; what is in the file is then the beginning of the masked text. */
static void test_no_failed_allocation_lets_a_secret_through(void **unused)
{
    static const char *const secrets[] = { "secret-one", "a secret of more than thirty-two bytes" };
    static const char text[] = "x secret-one y a secret of more than thirty-two bytes\n";
    static const char want[] = T0 "01O x [MASKED] y [MASKED]\n";
    struct trace_options options = { .patterns = secrets, .n_patterns = 2, .timestamps = true };

    harness_need_faults();
    for (size_t n = 1;; n++) {
        struct fixture f = { .trace = NULL };
        autobuf struct buf got = BUF_INIT;
        int rc;

        f.fd = memfd_create("spool", MFD_CLOEXEC);
        clock_fake_init(&f.clock, NOW_MS);
        options.clock = &f.clock.clock;
        (void) mem_fail_at(n);
        rc = trace_new(f.fd, &options, &f.trace, NULL);
        for (size_t i = 0; i < sizeof(text) - 1 && rc == 0; i++)
            rc = trace_write(f.trace, TRACE_STDOUT, text + i, 1);
        (void) mem_fail_at(0);
        if (f.trace) {
            read_spool(&f, &got);
            if (strncmp(buf_str(&got), want, got.len) != 0)
                fail_msg("allocation %zu: \"%s\"", n, buf_str(&got));
        }
        close_trace(&f);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
    }
}

static void test_nothing_is_written_after_the_finish(void **unused)
{
    struct fixture f;

    open_trace(&f, (struct trace_options) { 0 });
    put(&f, TRACE_STDOUT, "x");
    assert_int_equal(trace_finish(f.trace, false), 0);
    assert_int_equal(trace_finish(f.trace, false), 0);
    assert_int_equal(trace_write(f.trace, TRACE_STDOUT, "y", 1), -ESHUTDOWN);
    assert_int_equal(trace_line(f.trace, TRACE_INFO, "y"), -ESHUTDOWN);
    assert_spool(&f, "finished", "x");
    close_trace(&f);
}

/* All of the pipeline at once: the file does not depend on how the input is cut. */
static void test_the_file_is_the_same_for_every_cut(void **unused)
{
    static const char *const secrets[] = { "aab", "hunter2 hunter2 hunter2 hunter2 hunter2" };
    static const char text[] =
        "aaab ?rss_token=aab&x=1 glrt-aabx_y z\xff\xe2\x82\xac\n"
        "hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 ?private_token=glpat-1 aa";
    struct trace_options options = { .patterns = secrets,
                                     .n_patterns = 2,
                                     .mask_encodings = true,
                                     .mask_all_default_tokens = true,
                                     .limit_bytes = 87 };
    autobuf struct buf want = BUF_INIT, got = BUF_INIT;

    for (size_t piece = sizeof(text) - 1; piece > 0; piece--) {
        struct fixture f;

        open_trace(&f, options);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            assert_int_equal(
                trace_write(f.trace, TRACE_STDOUT, text + at, MIN(piece, sizeof(text) - 1 - at)),
                0);
        assert_int_equal(trace_finish(f.trace, false), 0);
        read_spool(&f, piece == sizeof(text) - 1 ? &want : &got);
        if (piece < sizeof(text) - 1)
            assert_string_equal(buf_str(&got), buf_str(&want));
        close_trace(&f);
    }
    assert_string_equal(buf_str(&want),
                        "a[MASKED] ?rss_token=[MASKED]&x=1 glrt-[MASKED]x_y z"
                        "\xef\xbf\xbd\xe2\x82\xac\n[MASKED] ?private_token=[MAS" NOTICE("87"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_v21_sizes_and_checksums),
        cmocka_unit_test(test_one_notice_at_the_limit_and_nothing_after_it),
        cmocka_unit_test(test_the_notice_comes_with_the_write_that_fills_the_log),
        cmocka_unit_test(test_our_lines_are_whole_although_a_secret_may_begin_at_their_end),
        cmocka_unit_test(test_the_default_limit_is_4_mib_with_a_notice_of_122_bytes),
        cmocka_unit_test(test_lines_of_ours_have_their_colours),
        cmocka_unit_test(test_sections_and_timestamps_look_as_gitlab_reads_them),
        cmocka_unit_test(test_timestamps_mark_lines_and_their_continuations),
        cmocka_unit_test(test_the_time_of_a_line_is_that_of_its_first_byte),
        cmocka_unit_test(test_streams_do_not_mix_in_one_line_and_begin_anew_after_their_end),
        cmocka_unit_test(test_text_without_line_feed_is_flushed_at_8192_bytes),
        cmocka_unit_test(test_each_stream_masks_for_itself_and_our_lines_too),
        cmocka_unit_test(test_job_execution_10_3_halves_on_two_streams_are_no_secret),
        cmocka_unit_test(test_hardening_31_a_cut_stream_shows_no_half_secret),
        cmocka_unit_test(test_the_stages_work_in_their_order),
        cmocka_unit_test(test_hardening_34_halves_of_characters_and_nul_pass_over_writes),
        cmocka_unit_test(test_hardening_35_memory_stays_flat_without_line_feeds),
        cmocka_unit_test(test_hardening_35_marks_of_sections_are_limited),
        cmocka_unit_test(test_section_names_are_made_readable_for_gitlab),
        cmocka_unit_test(test_a_spool_that_cannot_be_written_is_reported_from_then_on),
        cmocka_unit_test(test_a_spool_that_took_a_part_has_the_size_and_crc_of_the_part),
        cmocka_unit_test(test_patterns_are_complete_before_the_first_write_and_within_limits),
        cmocka_unit_test(test_short_secrets_are_counted_once_each),
        cmocka_unit_test(test_no_failed_allocation_lets_a_secret_through),
        cmocka_unit_test(test_nothing_is_written_after_the_finish),
        cmocka_unit_test(test_the_file_is_the_same_for_every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
