/* core/job/shell/powershell_functions.h - scripts of ours as they are sent to PowerShell (embed.py). */
#pragma once

extern const char powershell_functions[]; /* powershell_functions.ps1: each script begins with it */
extern const char powershell_archives[];  /* powershell_archives.ps1 */
