/* core/exec/report_style.h - how the report looks (report_style.c). */
#pragma once

extern const char report_style[];
