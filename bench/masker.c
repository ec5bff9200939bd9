/* bench/masker.c - how fast a job's log is masked, as one JSON object on stdout.
 *
 * Usage: masker [MIB]. Text like that of a build, 64 KiB a write, in which a secret stands every
 * 8 KiB. `masker` is the masker alone; `pipeline` is everything down to /dev/null, with timestamps.
 * `hostile` is the masker over text of nothing but beginnings of secrets. MB is 10^6 bytes of input;
 * the best of three runs counts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/job/trace/masker.h"
#include "core/job/trace/trace.h"

#define WRITE_SIZE ((size_t) 64 * 1024)
#define SECRET_SIZE 33
#define SECRETS_MAX 300

struct load {
    struct buf text, hostile;
    char secrets[SECRETS_MAX][SECRET_SIZE];
    size_t n_secrets, writes;
    bool encodings;
};

static double seconds_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void make_secrets(struct load *load, const struct rng *rng)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/";

    for (size_t i = 0; i < SECRETS_MAX; i++) {
        size_t len = 8 + (size_t) rng_below(rng, SECRET_SIZE - 8);

        for (size_t j = 0; j < len; j++)
            load->secrets[i][j] = letters[rng_below(rng, sizeof(letters) - 1)];
        load->secrets[i][len] = '\0';
    }
}

static void make_text(struct load *load, const struct rng *rng)
{
    static const char *const words[] = {
        "[ 42%]",
        "Building",
        "CXX",
        "object",
        "src/core/CMakeFiles/core.dir/parser.cpp.o",
        "warning:",
        "unused",
        "variable",
        "'result'",
        "Downloading",
        "https://registry.example.com/v2/library/debian/manifests/latest?ns=x",
        "ok",
        "PASS:",
        "TestServerAcceptsManyConnections",
        "(0.03s)",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "\033[32;1m$",
        "npm",
        "install",
        "--no-audit",
        "{\"level\":\"info\",\"msg\":\"done\"}",
    };
    size_t next_secret = 8192;

    while (load->text.len < 16 * WRITE_SIZE) {
        buf_add_str(&load->text, words[rng_below(rng, ARRAY_LEN(words))]);
        buf_add_char(&load->text, rng_below(rng, 9) == 0 ? '\n' : ' ');
        if (load->text.len >= next_secret) {
            buf_add_str(&load->text, load->secrets[0]);
            next_secret += 8192;
        }
    }
}

static void make_hostile(struct load *load, const struct rng *rng)
{
    while (load->hostile.len < 16 * WRITE_SIZE) {
        const char *secret = load->secrets[rng_below(rng, SECRETS_MAX)];

        buf_add(&load->hostile, secret, 1 + (size_t) rng_below(rng, strlen(secret) - 1));
    }
}

static double mask(const struct load *load, const struct buf *text)
{
    struct patterns given = { 0 }, all = { 0 };
    autobuf struct buf out = BUF_INIT;
    struct masker_rules rules;
    struct masker masker;
    double begin, seconds;

    for (size_t i = 0; i < load->n_secrets; i++)
        if (patterns_add(&given, load->secrets[i], NULL) < 0)
            abort();
    if (patterns_expand(&given, load->encodings, &all) < 0 ||
        masker_rules_init(&rules, &all, AUTOMATON_HEAD) < 0)
        abort();
    masker_init(&masker, &rules);
    begin = seconds_now();
    for (size_t i = 0; i < load->writes; i++) {
        buf_clear(&out);
        if (masker_write(&masker, text->data + i % 16 * WRITE_SIZE, WRITE_SIZE, &out) < 0)
            abort();
    }
    seconds = seconds_now() - begin;
    masker_done(&masker);
    masker_rules_done(&rules);
    patterns_done(&given);
    return seconds;
}

static double run_masker(const struct load *load)
{
    return mask(load, &load->text);
}

static double run_hostile(const struct load *load)
{
    return mask(load, &load->hostile);
}

static double run_pipeline(const struct load *load)
{
    autoclose int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const char *patterns[SECRETS_MAX];
    struct trace_options options = { .patterns = patterns,
                                     .n_patterns = load->n_secrets,
                                     .mask_all_default_tokens = true,
                                     .mask_encodings = load->encodings,
                                     .timestamps = true,
                                     .limit_bytes = INT64_C(1) << 50 };
    struct trace *trace = NULL;
    double begin, seconds;

    for (size_t i = 0; i < load->n_secrets; i++)
        patterns[i] = load->secrets[i];
    if (fd < 0 || trace_new(fd, &options, &trace, NULL) < 0)
        abort();
    begin = seconds_now();
    for (size_t i = 0; i < load->writes; i++)
        if (trace_write(trace, TRACE_STDOUT, load->text.data + i % 16 * WRITE_SIZE, WRITE_SIZE) < 0)
            abort();
    seconds = seconds_now() - begin;
    trace_free(trace);
    return seconds;
}

static double mb_per_s(const struct load *load, double (*run)(const struct load *))
{
    double best = run(load);

    for (int i = 0; i < 2; i++) {
        double seconds = run(load);

        best = MIN(best, seconds);
    }
    return (double) (load->writes * WRITE_SIZE) / 1e6 / best;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = { 1, 30, 300 };
    autofree struct load *load = mem_zero(sizeof(*load));
    struct rng_seeded rng;
    struct rusage usage;
    int64_t mib = 256;

    if (!load || (argc > 1 && parse_i64(argv[1], 1, 1 << 20, &mib) < 0)) {
        (void) fprintf(stderr, "usage: masker [MIB]\n");
        return 2;
    }
    rng_seed(&rng, 1);
    make_secrets(load, &rng.rng);
    make_text(load, &rng.rng);
    make_hostile(load, &rng.rng);
    load->writes = (size_t) mib * 16;
    (void) printf("{\"mib\":%lld,\"unit\":\"MB/s\",\"results\":[", (long long) mib);
    for (size_t i = 0; i < 2 * ARRAY_LEN(counts); i++) {
        load->n_secrets = counts[i / 2];
        load->encodings = i % 2 == 1;
        (void) printf("%s{\"secrets\":%zu,\"encodings\":%s,\"masker\":%.0f,\"hostile\":%.0f,"
                      "\"pipeline\":%.0f}",
                      i > 0 ? "," : "", load->n_secrets, load->encodings ? "true" : "false",
                      mb_per_s(load, run_masker), mb_per_s(load, run_hostile),
                      mb_per_s(load, run_pipeline));
        (void) fflush(stdout);
    }
    (void) getrusage(RUSAGE_SELF, &usage);
    (void) printf("],\"max_rss_kib\":%ld}\n", usage.ru_maxrss);
    buf_done(&load->text);
    buf_done(&load->hostile);
    return 0;
}
