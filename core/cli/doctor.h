/* core/cli/doctor.h - what the checks of `flotilla doctor` share: doctor.c (the command), doctor_machine.c (this machine),
 * doctor_gitlab.c (each GitLab and the runners there), doctor_group.c (plugins and clouds). */
#pragma once

#include "core/base/json.h"
#include "core/cli/cli.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
    const char *config_file, *plugin_dirs, *state_dir;
    const struct config *config;
    json_t *findings; /* with --json they are printed at the end, else as they come */
    bool json;
    enum doctor_level worst;
};

/* A line: what was looked at, and what is so; `fix` NULL where nothing is to be done. */
void doctor_say(struct doctor *doctor, enum doctor_level level, const char *subject,
                const char *fix, const char *fmt, ...) PRINTF_LIKE(5, 6);

void doctor_look_at_machine(struct doctor *doctor);
void doctor_look_at_gitlab(struct doctor *doctor);
void doctor_look_at_groups(struct doctor *doctor);
