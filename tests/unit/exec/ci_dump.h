/* tests/unit/exec/ci_dump.h - a pipeline and the findings about it as text, for tables of cases. */
#pragma once

#include "core/base/buf.h"
#include "core/exec/ci_yaml.h"

/* One line for the global variables when there are any, then one a job. */
void ci_dump(struct buf *out, const struct ci_config *config);
/* One line each, with "E " or "W " before it. */
void ci_dump_findings(struct buf *out, const struct config_findings *findings);

/* Reads `text` as file f and fails the test when what comes out (findings, then jobs) is not
 * `want`. */
void ci_dump_expect(const char *why, const char *text, const struct ci_context *context,
                    const char *want);
