/* core/job/shell/powershell_glob.h - patterns of files as regular expressions of .NET, for an instance on which
 * PowerShell itself looks for them (job-execution.md 6.2). */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"

/* `pattern` is below the directory that names are relative to; "." is that directory itself. `*` and `?` match no
 * slash, `**` as a whole component any number of components, [sets] and {alternatives} as in doublestar; a backslash
 * takes what follows as it is. With `deep`, what lies below a match is matched, too. */
void powershell_glob(struct buf *out, const char *pattern, bool deep);
