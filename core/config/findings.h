/* core/config/findings.h - collecting what is wrong or worth knowing in a configuration file. */
#pragma once

#include "core/config/config.h"
#include "core/config/toml.h"

/* One reading of one file. */
struct config_reading {
    const char *file;
    struct config_findings *findings;
    bool out_of_memory; /* a finding or a value was lost: the result must not be used */
};

void finding_add(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* As finding_add(), unless the same sentence was said about another place already. */
void finding_add_once(struct config_reading *reading, enum config_severity severity,
                      struct toml_place place, const char *fmt, ...) PRINTF_LIKE(4, 5);
void findings_sort(struct config_findings *findings); /* by place */
const struct config_finding *findings_first_error(const struct config_findings *findings);
