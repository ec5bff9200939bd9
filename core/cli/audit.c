/* core/cli/audit.c - `flotilla audit`: the clouds against the ledger of the running manager. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/cli/ask.h"

#define AUDIT_TIMEOUT_MS 90000 /* a list may take a minute */
/* A state that has just changed is seen by the manager's next list, and a doubt is looked at by a gate. */
#define LOOKS 3
#define PAUSE_S 1

enum { AUDIT_TRUE, AUDIT_DIFFERS, AUDIT_UNASKED };

static bool is_passing(json_t *answer)
{
    size_t n;
    json_t *list = ask_list(answer, "differences", &n);

    for (size_t i = 0; i < n; i++) {
        const char *kind = ask_text(json_object_array_get_idx(list, i), "kind");

        if (!str_eq(kind, "state") && !str_eq(kind, "vm"))
            return false;
    }
    return n > 0;
}

static int ask(const struct ask_options *options, json_t **ret)
{
    autojson json_t *request = json_frame("audit");

    for (int look = 1;; look++) {
        autojson json_t *answer = NULL;

        if (ask_manager(options, request, AUDIT_TIMEOUT_MS, &answer) < 0)
            return -1;
        if (look == LOOKS || !is_passing(answer)) {
            *ret = take_ptr(answer);
            return 0;
        }
        (void) sleep(PAUSE_S);
    }
}

static int verdict_of(json_t *answer)
{
    size_t n_runners, n_differences;
    json_t *runners = ask_list(answer, "runners", &n_runners);

    (void) ask_list(answer, "differences", &n_differences);
    for (size_t i = 0; i < n_runners; i++)
        if (!ask_bool(json_object_array_get_idx(runners, i), "asked"))
            return AUDIT_UNASKED;
    return n_differences > 0 ? AUDIT_DIFFERS : AUDIT_TRUE;
}

static void print_difference(json_t *difference)
{
    autobuf struct buf line = BUF_INIT;
    const char *runner = ask_text(difference, "runner");

    buf_addf(&line, "%s%s%s", runner, *runner ? ": " : "", ask_text(difference, "sentence"));
    ask_print_line(buf_str(&line));
}

static void print_runner(json_t *runner)
{
    int64_t instances = ask_number(runner, "instances");
    autobuf struct buf line = BUF_INIT;

    if (ask_bool(runner, "asked"))
        buf_addf(&line, "%s: %" PRId64 " instance%s in the cloud", ask_text(runner, "name"),
                 instances, str_plural((uint64_t) instances));
    else
        buf_addf(&line, "%s: could not be asked: %s", ask_text(runner, "name"),
                 ask_text(runner, "error"));
    ask_print_line(buf_str(&line));
}

static void print_audit(json_t *answer)
{
    static const char *const verdicts[] = { [AUDIT_TRUE] = "cloud and ledger agree",
                                            [AUDIT_DIFFERS] = "cloud and ledger differ",
                                            [AUDIT_UNASKED] =
                                                "not every runner's cloud could be asked" };
    size_t n;
    json_t *list = ask_list(answer, "differences", &n);

    for (size_t i = 0; i < n; i++)
        print_difference(json_object_array_get_idx(list, i));
    list = ask_list(answer, "runners", &n);
    for (size_t i = 0; i < n; i++)
        print_runner(json_object_array_get_idx(list, i));
    ask_print_line(verdicts[verdict_of(answer)]);
}

int cli_audit(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla audit [--json] [--config FILE] [--state-dir DIR]\n"
                "Asks the clouds for fresh lists, through the running manager, and compares them\n"
                "with its ledger, both ways. Changes nothing. Exit status: 0 they agree, 1 they\n"
                "differ, 2 not all could be asked.\n",
    };
    struct ask_options options = { 0 };
    autojson json_t *answer = NULL;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (ask(&options, &answer) < 0)
        return AUDIT_UNASKED;
    if (options.json)
        ask_print_json(answer);
    else
        print_audit(answer);
    return verdict_of(answer);
}
