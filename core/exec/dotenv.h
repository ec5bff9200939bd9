/* core/exec/dotenv.h - the variables that a job hands to later ones in a report of the kind dotenv.
 */
#pragma once

#include "core/base/error.h"
#include "core/exec/ci_config.h"

/* Reads the gzip file as GitLab does, by its limits on GitLab.com and in the free tier. -EBADMSG with a
 * sentence when GitLab would refuse it; *ret is as it was then. */
int dotenv_read(int fd, struct ci_variables *ret, struct error *err);
