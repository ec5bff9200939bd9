/* tests/unit/config/texts.h - pieces of configurations for tests, and what is said about a text. */
#pragma once

#include "core/config/config.h"

#define HEAD                                                                                       \
    "[[runners]]\n"                                                                                \
    "name = \"a\"\n"                                                                               \
    "url = \"https://gitlab.example\"\n"
#define TOKEN "token = \"glrt-abc\"\n"
#define EXECUTOR "executor = \"instance\"\n"
#define RUNNER HEAD TOKEN EXECUTOR /* 5 lines */
#define PLUGIN                                                                                     \
    "[runners.autoscaler]\n"                                                                       \
    "plugin = \"local\"\n"
#define ALL RUNNER PLUGIN /* 7 lines; more of [runners.autoscaler] goes behind it */
#define CONNECTOR ALL "[runners.autoscaler.connector_config]\n"
#define POLICY ALL "[[runners.autoscaler.policy]]\n"
#define QUEUING ALL "[[runners.monitoring.job_queuing_durations]]\n"

/* All findings of a text that is called F, one a line: "note: F:1:2: sentence\n". The caller frees. */
char *findings_of(const char *text);
/* One of them begins with this. */
bool is_told(const char *text, enum config_severity severity, const char *sentence);
