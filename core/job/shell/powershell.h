/* core/job/shell/powershell.h - scripts for PowerShell: the writer of shell.h for `pwsh` (PowerShell 7, on Windows and
 * elsewhere) and `powershell` (Windows PowerShell 5.1). Facts: reference/job-execution.md 2.1, 2.6.
 */
#pragma once

#include "core/job/shell/shell.h"

extern const struct shell shell_pwsh, shell_powershell;
