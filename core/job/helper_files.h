/* core/job/helper_files.h - where the helper programs lie that are brought to instances: one for each
 * kind of machine, static (helper/static/). For whoever sends them; opens nothing.
 */
#pragma once

#include "core/base/error.h"

/* `machine` as `uname -m` prints it: "x86_64", "aarch64". The caller frees *ret. -ENOENT with a
 * sentence when there is none for it. The program of a build folder finds that build's; one that is
 * installed, what was installed with it. */
int helper_files_find(const char *machine, char **ret, struct error *err);

/* The same for a program at `program`; helper_files_find() asks for the one that runs. */
int helper_files_find_for(const char *program, const char *machine, char **ret, struct error *err);
