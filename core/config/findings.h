/* core/config/findings.h - collecting what is wrong or worth knowing in a configuration file. */
#pragma once

#include "core/config/config.h"
#include "core/config/toml.h"

/* One reading of one file. */
struct config_reading {
    const char *file;
    struct config_findings *findings;
    const struct config_plugins *plugins; /* config_check() only */
    const char *section;                  /* whose settings are looked at: "[[runners]]" */
    size_t said;                          /* findings, those beyond the most that are kept, too */
    bool out_of_memory; /* a finding or a value was lost: the result must not be used */
};

void finding_add(struct config_reading *reading, enum config_severity severity,
                 struct toml_place place, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* As finding_add(), unless the same sentence was said about another place already. */
void finding_add_once(struct config_reading *reading, enum config_severity severity,
                      struct toml_place place, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* About the file and no setting of it; at its first column. */
void finding_add_on_file(struct config_reading *reading, enum config_severity severity,
                         const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Fills in the keys of all findings so far, by their places in the tree. */
void findings_name_keys(struct config_reading *reading, const struct toml_value *root);
void findings_sort(struct config_findings *findings); /* by place */
const struct config_finding *findings_first_error(const struct config_findings *findings);
