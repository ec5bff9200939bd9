/* core/cli/explain.c - `flotilla explain`: why there are, or are not, instances and jobs. */
#include <stdio.h>

#include "core/cli/ask.h"

int cli_explain(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla explain [RUNNER|INSTANCE|JOB] [--json] [--config FILE] "
                "[--state-dir DIR]\n"
                "Says why there are, or are not, instances, and what a job waits for or where it\n"
                "runs. JOB is the number that GitLab shows.\n",
        .takes_word = true,
    };
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("explain"), *answer = NULL;
    json_t *lines;
    size_t n;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    (void) json_add_str(request, "name", options.word);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &answer) < 0)
        return 1;
    if (options.json) {
        ask_print_json(answer);
        return 0;
    }
    lines = ask_list(answer, "lines", &n);
    for (size_t i = 0; i < n; i++)
        ask_print_line(json_object_get_string(json_object_array_get_idx(lines, i)));
    return 0;
}
