/* core/cli/drain.c - `flotilla drain`, `undrain` and `remove`: what an operator changes in the
 * running manager (core/supervisor/operator.c). */
#include "core/cli/ask.h"

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

    return ask_change(argc, argv, &usage);
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

    return ask_change(argc, argv, &usage);
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

    return ask_change(argc, argv, &usage);
}
