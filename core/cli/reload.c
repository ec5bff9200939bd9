/* core/cli/reload.c - `flotilla reload`: the running manager reads its configuration again, or tells what
 * would change if it did (core/supervisor/reload.c). */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/ask.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNCHANGED = 3 };

static const struct ask_usage usage = {
    .text =
        "Usage: flotilla reload [--dry-run] [--json] [--config FILE] [--state-dir DIR]\n"
        "The running manager reads its configuration again. Shows which settings change and which\n"
        "instances are ordered or removed for that; with --dry-run nothing is done but that.\n"
        "Ends with 0 when the configuration holds now (or could), with 1 when it cannot be used\n"
        "(nothing has changed then) or no manager answers, with 2 for a wrong command line and\n"
        "with 3 when it reads as before.\n",
    .takes_dry_run = true,
};

static void print_findings(json_t *answer)
{
    size_t n;
    json_t *list = ask_list(answer, "findings", &n);

    for (size_t i = 0; i < n; i++)
        ask_print_line(json_object_get_string(json_object_array_get_idx(list, i)));
}

static void print_changes(json_t *answer)
{
    size_t n;
    json_t *list = ask_list(answer, "changes", &n);

    for (size_t i = 0; i < n; i++) {
        json_t *change = json_object_array_get_idx(list, i);
        autobuf struct buf line = BUF_INIT;

        buf_addf(&line, "%s%s", ask_text(change, "text"),
                 ask_bool(change, "live") ? "" : " (holds from the next start on)");
        ask_print_line(buf_str(&line));
    }
}

static void print_plan(json_t *plan)
{
    int64_t order = ask_number(plan, "order"), cancel = ask_number(plan, "cancel");
    autobuf struct buf line = BUF_INIT;
    size_t n;
    json_t *list = ask_list(plan, "remove", &n);

    buf_addf(&line, "runner '%s': instances:", ask_text(plan, "runner"));
    if (order > 0)
        buf_addf(&line, " %" PRId64 " ordered", order);
    if (cancel > 0)
        buf_addf(&line, " %" PRId64 " order%s taken back", cancel, str_plural((uint64_t) cancel));
    for (size_t i = 0; i < n; i++) {
        json_t *removal = json_object_array_get_idx(list, i);

        buf_addf(&line, "%s %s (%s)", i == 0 ? " removed:" : ",", ask_text(removal, "id"),
                 ask_text(removal, "reason_text"));
    }
    ask_print_line(buf_str(&line));
}

static const char *conclusion(const struct ask_options *options, int status)
{
    return status == EXIT_REFUSED
               ? "The configuration cannot be used, so everything stays as it is."
           : status == EXIT_UNCHANGED ? "The configuration reads as before."
           : options->dry_run         ? "Nothing was changed."
                                      : "The new configuration holds.";
}

static void print_answer(const struct ask_options *options, json_t *answer, int status)
{
    size_t n;
    json_t *plans = ask_list(answer, "instances", &n);

    print_findings(answer);
    if (status != EXIT_REFUSED)
        print_changes(answer);
    for (size_t i = 0; i < n; i++)
        print_plan(json_object_array_get_idx(plans, i));
    ask_print_line(conclusion(options, status));
}

int cli_reload(int argc, char **argv)
{
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("reload"), *answer = NULL;
    const char *result;
    int r = ask_parse(argc, argv, &usage, &options), status;

    if (r != 0)
        return r > 0 ? EXIT_DONE : EXIT_USAGE;
    (void) json_add_bool(request, "dry_run", options.dry_run);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &answer) < 0)
        return EXIT_REFUSED;
    result = ask_text(answer, "result");
    status = str_eq(result, "refused")     ? EXIT_REFUSED
             : str_eq(result, "unchanged") ? EXIT_UNCHANGED
                                           : EXIT_DONE;
    if (options.json)
        ask_print_json(answer);
    else
        print_answer(&options, answer, status);
    return status;
}
