/* core/cli/drain.c - `flotilla drain`, `undrain` and `remove`: what an operator changes in the
 * running manager (core/supervisor/operator.c). */
#include <stdio.h>

#include "core/cli/ask.h"

static int change(int argc, char **argv, const struct ask_usage *usage)
{
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame(argv[0]), *answer = NULL;
    int r = ask_parse(argc, argv, usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    (void) json_add_str(request, "name", options.word);
    if (options.force)
        (void) json_add_bool(request, "force", true);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &answer) < 0)
        return 1;
    if (options.json)
        ask_print_json(answer);
    else
        ask_print_line(ask_text(answer, "sentence"));
    return 0;
}

int cli_drain(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text =
            "Usage: flotilla drain RUNNER|INSTANCE [--json] [--config FILE] [--state-dir DIR]\n"
            "An instance gets no new jobs and goes with its last one; a runner asks for no job\n"
            "and keeps nothing idle. Both stay so, over restarts too, until `flotilla undrain`.\n"
            "Where a runner and an instance have one name: runner:NAME or instance:ID.\n",
        .missing = "the name of a runner or the id of an instance is missing",
        .takes_word = true,
    };

    return change(argc, argv, &usage);
}

int cli_undrain(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text =
            "Usage: flotilla undrain RUNNER|INSTANCE [--json] [--config FILE] [--state-dir DIR]\n"
            "Takes a drained runner or instance back, unless the instance is being removed "
            "already.\n",
        .missing = "the name of a runner or the id of an instance is missing",
        .takes_word = true,
    };

    return change(argc, argv, &usage);
}

int cli_remove(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text =
            "Usage: flotilla remove INSTANCE [--force] [--json] [--config FILE] [--state-dir DIR]\n"
            "Removes an instance on which no job runs; with --force jobs on it end as system\n"
            "failures. Never removes another group's.\n",
        .missing = "the id of an instance is missing",
        .takes_word = true,
        .takes_force = true,
    };

    return change(argc, argv, &usage);
}
