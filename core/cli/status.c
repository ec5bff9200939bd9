/* core/cli/status.c - `flotilla status`: what the running manager has. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/ask.h"

/* Names come from configurations and jobs: nothing of theirs may drive the operator's terminal. */
static void print_text(const char *text, int width)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), 60);
    (void) printf("%-*s  ", width, buf_str(&shown));
}

static void print_drained(json_t *runner, int64_t now_ms)
{
    autobuf struct buf text = BUF_INIT;

    if (ask_number(runner, "drained_since_ms") == 0)
        return;
    ask_add_drained(&text, ask_number(runner, "drained_since_ms"), now_ms);
    (void) printf(", %s", buf_str(&text));
}

static void print_status(json_t *report)
{
    size_t n;
    json_t *list = ask_list(report, "runners", &n);

    (void) printf("RUNNER                INSTANCES  BUSY  IDLE  WAITING  STATE\n");
    for (size_t i = 0; i < n; i++) {
        json_t *runner = json_object_array_get_idx(list, i);

        print_text(ask_text(runner, "name"), 20);
        (void) printf("%9" PRId64 "  %4" PRId64 "  %4" PRId64 "  %7" PRId64 "  ",
                      ask_number(runner, "instances"), ask_number(runner, "acquired"),
                      ask_number(runner, "idle"), ask_number(runner, "waiting"));
        (void) printf("%s", ask_bool(runner, "leaving") ? "leaving"
                            : ask_bool(runner, "ready") ? "ready"
                                                        : "not ready");
        print_drained(runner, ask_number(report, "now_ms"));
        if (*ask_text(runner, "problem")) {
            (void) printf(": ");
            print_text(ask_text(runner, "problem"), 0);
        }
        (void) printf("\n");
    }
    list = ask_list(report, "problems", &n);
    for (size_t i = 0; i < n; i++) {
        (void) printf("\nPROBLEM: ");
        ask_print_line(json_object_get_string(json_object_array_get_idx(list, i)));
    }
    list = ask_list(report, "instances", &n);
    if (n > 0)
        (void) printf("\nINSTANCE                  RUNNER                STATE      USES\n");
    for (size_t i = 0; i < n; i++) {
        json_t *instance = json_object_array_get_idx(list, i);

        print_text(ask_text(instance, "id"), 24);
        print_text(ask_text(instance, "runner"), 20);
        (void) printf("%-9s  %4" PRId64 "\n", ask_text(instance, "condition"),
                      ask_number(instance, "uses"));
    }
    list = ask_list(report, "jobs", &n);
    if (n > 0)
        (void) printf("\nJOB         NAME                  STATE         INSTANCE\n");
    for (size_t i = 0; i < n; i++) {
        json_t *job = json_object_array_get_idx(list, i);

        (void) printf("%-10" PRId64 "  ", ask_number(job, "id"));
        print_text(ask_text(job, "name"), 20);
        (void) printf("%-12s  %s%s%s\n", ask_text(job, "state"), ask_text(job, "instance"),
                      *ask_text(job, "vm") ? ", VM " : "", ask_text(job, "vm"));
    }
}

int cli_status(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla status [--json] [--config FILE] [--state-dir DIR]\n"
                "Shows the runners, instances and jobs of the running manager.\n",
    };
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("status"), *report = NULL;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &report) < 0)
        return 1;
    if (options.json)
        ask_print_json(report);
    else
        print_status(report);
    return 0;
}
