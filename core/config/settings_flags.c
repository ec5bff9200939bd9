/* core/config/settings_flags.c - [runners.feature_flags]: the flags of GitLab Runner 19.4, each true,
 * false or left to the job (job-execution.md 2.8). */
#include "core/config/settings.h"

/* The default is the job's to apply: what is not set here, its variables may set. */
#define FLAG(key, initially, acted_on)                                                             \
    { .name = #key,                                                                                \
      .kind = SETTING_TRISTATE,                                                                    \
      .flags = (acted_on) ? 0 : SETTING_NOT_YET,                                                   \
      .note = "changes nothing here: jobs see its value",                                          \
      .offset = offsetof(struct config_flags, set) + key * sizeof(int) },

static const struct setting flags[] = { FEATURE_FLAGS(FLAG) };
const struct section flags_section = { .name = "[runners.feature_flags]",
                                       .size = sizeof(struct config_flags),
                                       .settings = flags,
                                       .n_settings = ARRAY_LEN(flags) };
