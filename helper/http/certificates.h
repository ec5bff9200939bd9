/* helper/http/certificates.h - the TLS files of one GitLab: as given, or else those with its host's name
 * in the configuration's folder (job-execution.md 7.6). */
#pragma once

#include "core/transfer/outcome.h"
#include "helper/gitlab.h"

struct certificates {
    char ca_file[512], cert_file[512], key_file[512];
};
void certificates_find(const struct gitlab *gitlab, struct certificates *room,
                       struct outcome_tls *ret);
