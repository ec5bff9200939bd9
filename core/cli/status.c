/* core/cli/status.c - `flotilla status` and `flotilla explain`: what the running supervisor has,
 * and why. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/control_client.h"

struct ask_options {
    const char *config, *state_dir, *word;
    bool json;
};

static int parse_options(int argc, char **argv, size_t n_words, const char *usage,
                         struct ask_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            (void) fputs(usage, stdout);
            return 1;
        default:
            return cli_wrong_option(argv[0], c, argv);
        }
    }
    if (optind < argc && n_words > 0)
        ret->word = argv[optind++];
    if (optind < argc)
        return cli_misuse(argv[0], "there is no argument '%s'", argv[optind]);
    return 0;
}

static int ask(const struct ask_options *options, json_t *request, json_t **ret)
{
    struct error err = { 0 };
    autofree char *dir = control_state_dir(options->state_dir, options->config, &err);

    if (dir && !request)
        (void) error_set(&err, -ENOMEM, "out of memory");
    else if (dir && control_ask(dir, request, ret, &err) == 0)
        return 0;
    (void) fprintf(stderr, "flotilla: %s\n", err.message);
    return -1;
}

static const char *text_of(json_t *obj, const char *key)
{
    const char *text = "";

    (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

static int64_t number_of(json_t *obj, const char *key)
{
    int64_t number = 0;

    (void) json_opt_i64(obj, key, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

/* Names come from configurations and jobs: nothing of theirs may drive the operator's terminal. */
static void print_text(const char *text, int width)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), 60);
    (void) printf("%-*s  ", width, buf_str(&shown));
}

static void print_line(json_t *item)
{
    autobuf struct buf shown = BUF_INIT;
    const char *line = json_object_get_string(item);

    str_display(&shown, line ? line : "", line ? strlen(line) : 0, 1024);
    (void) printf("%s\n", buf_str(&shown));
}

static json_t *list_of(json_t *report, const char *key, size_t *ret_n)
{
    json_t *list = NULL;

    (void) json_opt_array(report, key, &list, NULL);
    *ret_n = list ? json_object_array_length(list) : 0;
    return list;
}

static void print_status(json_t *report)
{
    size_t n;
    json_t *list = list_of(report, "runners", &n);

    (void) printf("RUNNER                INSTANCES  BUSY  IDLE  WAITING  STATE\n");
    for (size_t i = 0; i < n; i++) {
        json_t *runner = json_object_array_get_idx(list, i);
        bool ready = false;

        (void) json_opt_bool(runner, "ready", &ready, NULL);
        print_text(text_of(runner, "name"), 20);
        (void) printf("%9" PRId64 "  %4" PRId64 "  %4" PRId64 "  %7" PRId64 "  ",
                      number_of(runner, "instances"), number_of(runner, "acquired"),
                      number_of(runner, "idle"), number_of(runner, "waiting"));
        (void) printf("%s", ready ? "ready" : "not ready");
        if (*text_of(runner, "problem")) {
            (void) printf(": ");
            print_text(text_of(runner, "problem"), 0);
        }
        (void) printf("\n");
    }
    list = list_of(report, "problems", &n);
    for (size_t i = 0; i < n; i++) {
        (void) printf("\nPROBLEM: ");
        print_line(json_object_array_get_idx(list, i));
    }
    list = list_of(report, "instances", &n);
    if (n > 0)
        (void) printf("\nINSTANCE                  RUNNER                STATE      USES\n");
    for (size_t i = 0; i < n; i++) {
        json_t *instance = json_object_array_get_idx(list, i);
        bool removing = false;

        (void) json_opt_bool(instance, "removing", &removing, NULL);
        print_text(text_of(instance, "id"), 24);
        print_text(text_of(instance, "runner"), 20);
        (void) printf("%-9s  %4" PRId64 "\n", removing ? "removing" : text_of(instance, "state"),
                      number_of(instance, "uses"));
    }
    list = list_of(report, "jobs", &n);
    if (n > 0)
        (void) printf("\nJOB         NAME                  STATE         INSTANCE\n");
    for (size_t i = 0; i < n; i++) {
        json_t *job = json_object_array_get_idx(list, i);

        (void) printf("%-10" PRId64 "  ", number_of(job, "id"));
        print_text(text_of(job, "name"), 20);
        (void) printf("%-12s  %s\n", text_of(job, "state"), text_of(job, "instance"));
    }
}

int cli_status(int argc, char **argv)
{
    static const char usage[] =
        "Usage: flotilla status [--json] [--config FILE] [--state-dir DIR]\n"
        "Shows the runners, instances and jobs of the running manager.\n";
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("status"), *report = NULL;
    int r = parse_options(argc, argv, 0, usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (ask(&options, request, &report) < 0)
        return 1;
    if (options.json)
        (void) printf("%s\n", json_text(report));
    else
        print_status(report);
    return 0;
}

static bool has_runner(const struct ask_options *options)
{
    autojson json_t *request = json_frame("status"), *report = NULL;
    json_t *runners;
    size_t n;

    if (ask(options, request, &report) < 0)
        return false;
    runners = list_of(report, "runners", &n);
    for (size_t i = 0; i < n; i++)
        if (str_eq(text_of(json_object_array_get_idx(runners, i), "name"), options->word))
            return true;
    (void) fprintf(stderr, "flotilla: there is no runner '%s'; `flotilla status` lists them\n",
                   options->word);
    return false;
}

int cli_explain(int argc, char **argv)
{
    static const char usage[] =
        "Usage: flotilla explain [RUNNER] [--json] [--config FILE] [--state-dir DIR]\n"
        "Says why there are, or are not, instances and jobs.\n";
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("explain"), *answer = NULL;
    json_t *lines;
    size_t n;
    int r = parse_options(argc, argv, 1, usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (options.word && !has_runner(&options))
        return 1;
    if (options.word && request)
        (void) json_add_str(request, "runner", options.word);
    if (ask(&options, request, &answer) < 0)
        return 1;
    if (options.json) {
        (void) printf("%s\n", json_text(answer));
        return 0;
    }
    lines = list_of(answer, "lines", &n);
    for (size_t i = 0; i < n; i++) {
        print_line(json_object_array_get_idx(lines, i));
    }
    return 0;
}
