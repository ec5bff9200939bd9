/* core/cli/hold.c - `flotilla hold` and `release`: an instance, or that of a job, stays to be looked at
 * (core/supervisor/hold.c). */
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/ask.h"

#define FOR_MIN_MS 60000
#define FOR_MAX_MS (7 * 24 * 3600 * 1000LL)

static int add_time(const struct ask_options *options, json_t *request)
{
    int64_t for_ms = 0;

    if (!options->time)
        return 0;
    if (parse_duration_ms(options->time, &for_ms) < 0 || for_ms < FOR_MIN_MS || for_ms > FOR_MAX_MS)
        return cli_misuse("hold", "--for '%s' is no duration from 1m to 168h, such as 2h",
                          options->time);
    (void) json_add_i64(request, "for_ms", for_ms);
    return 0;
}

static int change(int argc, char **argv, const struct ask_usage *usage)
{
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame(argv[0]), *answer = NULL;
    int r = ask_parse(argc, argv, usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (add_time(&options, request) < 0)
        return 2;
    (void) json_add_str(request, "name", options.word);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &answer) < 0)
        return 1;
    if (options.json)
        ask_print_json(answer);
    else
        ask_print_line(ask_text(answer, "sentence"));
    return 0;
}

int cli_hold(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla hold JOB|INSTANCE [--for TIME] [--json] [--config FILE] "
                "[--state-dir DIR]\n"
                "The instance, or that of the job, takes no new jobs and is not removed for TIME,\n"
                "such as 2h (1h when nothing is said); what runs on it goes on, and a job's VM\n"
                "stays when the job ends. Again: until another time. It goes on costing.\n",
        .missing = "the number of a job or the id of an instance is missing",
        .takes_word = true,
        .takes_for = true,
    };

    return change(argc, argv, &usage);
}

int cli_release(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla release JOB|INSTANCE [--json] [--config FILE] [--state-dir DIR]\n"
                "Ends a hold, also one by [runners.hold]: the instance goes on as it would have.\n",
        .missing = "the number of a job or the id of an instance is missing",
        .takes_word = true,
    };

    return change(argc, argv, &usage);
}
