/* core/exec/artifact_type.h - the kinds of artifacts that GitLab knows, and how it wants each. For the
 * readers (ci_artifacts.c), what is kept (artifact_store.c) and the coordinator.
 */
#pragma once

#include <stdbool.h>

struct artifact_type {
    const char *name;   /* as in the protocol */
    const char *format; /* "zip", "gzip" or "raw" */
    const char *file;   /* what GitLab calls the file; NULL: as the job says */
    bool report;        /* it can stand in artifacts:reports by this name */
};

extern const struct artifact_type artifact_archive;

const struct artifact_type *artifact_type_find(const char *name); /* NULL: there is none */
/* The one of reports that is most likely meant; NULL when none is near. */
const char *artifact_type_nearest(const char *name);
