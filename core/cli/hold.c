/* core/cli/hold.c - `flotilla hold` and `release`: an instance, or that of a job, stays to be looked at
 * (core/supervisor/hold.c). */
#include "core/cli/ask.h"

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

    return ask_change(argc, argv, &usage);
}

int cli_release(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla release JOB|INSTANCE [--json] [--config FILE] [--state-dir DIR]\n"
                "Ends a hold, also one by [runners.hold]: the instance goes on as it would have.\n",
        .missing = "the number of a job or the id of an instance is missing",
        .takes_word = true,
    };

    return ask_change(argc, argv, &usage);
}
