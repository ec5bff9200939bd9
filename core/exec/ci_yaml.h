/* core/exec/ci_yaml.h - .gitlab-ci.yml as `flotilla exec` understands it.
 *
 * Every finding is FILE:LINE:COLUMN: sentence. A keyword that is not supported is a warning when
 * leaving it out does no harm on one's own machine, and an error when the jobs would mean something
 * else without it.
 */
#pragma once

#include "core/config/config.h"
#include "core/exec/ci_config.h"
#include "core/exec/ci_context.h"

/* Reads `text`; `file` is its name in findings; `selection` NULL is all; without a context there are
 * no predefined variables, no files and no includes. 0 and *ret when no finding is an error and each
 * selected job is there; findings are filled in both cases (free with config_findings_done()). */
int ci_config_parse(const char *file, const char *text, size_t len,
                    const struct ci_selection *selection, const struct ci_context *context,
                    struct ci_config **ret, struct config_findings *findings, struct error *err);

/* For the readers: whether findings about this key of the file are for the person who asked. */
struct ci_reading;
bool ci_yaml_heard(const struct ci_reading *reading, const char *key);
