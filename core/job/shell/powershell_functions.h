/* core/job/shell/powershell_functions.h - the text of powershell_functions.ps1, with which each script begins. */
#pragma once

extern const char powershell_functions[];
