/* nestingd/init.c - `flotilla-nesting init`: gives the daemon its settings, after which it works. */
#include <getopt.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "nesting.pb-c.h"
#include "nestingd/commands.h"
#include "nestingd/settings.h"

/* -1 for a wrong use. */
static int parse_options(int argc, char **argv, const char **ret_file)
{
    static const struct option options[] = { { "config", required_argument, NULL, 'c' }, { 0 } };
    int c;

    while ((c = getopt_long_only(argc, argv, ":", options, NULL)) != -1) {
        if (c != 'c')
            return -1;
        *ret_file = optarg;
    }
    return optind == argc ? 0 : -1;
}

static int send_settings(struct buf *settings)
{
    Nesting__InitRequest request = NESTING__INIT_REQUEST__INIT;
    struct flt_grpc_answer answer = { 0 };
    int r;

    request.has_config = settings->len > 0;
    request.config = (ProtobufCBinaryData) { settings->len, (uint8_t *) settings->data };
    r = client_call("init", "Init", &request.base, &answer);
    free(answer.data);
    return r < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}

int command_init(int argc, char **argv)
{
    autobuf struct buf settings = BUF_INIT;
    const char *file = NULL;
    struct error err;

    if (parse_options(argc, argv, &file) < 0)
        return command_misused("init", "usage: flotilla-nesting init [-config FILE]");
    if (file && settings_read(file, &settings, &err) < 0)
        return command_failed("init", &err);
    return send_settings(&settings);
}
