/* core/cli/load_config.c - the configuration for the commands that need one (cli.h). */
#include <errno.h>
#include <stdio.h>

#include "core/cli/cli.h"
#include "core/config/config.h"

int cli_load_config(const char *file, enum config_severity least, struct config **ret)
{
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    int r = config_load(file, NULL, ret, &findings, &err);

    config_findings_print(&findings, least, stderr);
    if (r == -ENOENT)
        cli_say("error: %s; --config FILE names another one", err.message);
    else if (r < 0 && findings.count == 0)
        cli_say("error: %s", err.message);
    config_findings_done(&findings);
    return r;
}
