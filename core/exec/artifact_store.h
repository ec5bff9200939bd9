/* core/exec/artifact_store.h - what the jobs of a run have uploaded: files in one folder, by job.
 *
 * Filled by the coordinator (coordinator_artifacts.c), read when a later job is given out (payload.c)
 * and at the end (artifact_list.c). Names that come from outside are shown, and are part of no path:
 * a file is called by the number of its job and its type.
 */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/exec/artifact_type.h"
#include "core/exec/ci_config.h"

struct artifact_file {
    const struct artifact_type *type;
    char *file; /* in the store's folder */
    char *name; /* what the job calls it; no path, nothing that does not print */
    int64_t size;
};

/* What one try of a job has left. */
struct artifact_set {
    int64_t job_id;
    char *token; /* with which it is fetched */
    struct artifact_file *files;
    size_t n_files;
    struct ci_variables variables; /* of its dotenv */
};

struct artifact_store;

/* `folder` is made where it is missing, and kept at the end. */
int artifact_store_new(const char *folder, int64_t file_max, struct artifact_store **ret,
                       struct error *err);
void artifact_store_free(struct artifact_store *store); /* accepts NULL */
DEFINE_AUTO_PTR(struct artifact_store, artifact_store_free)

const char *artifact_store_folder(const struct artifact_store *store);
const struct artifact_set *artifact_store_find(const struct artifact_store *store, int64_t job_id);
/* The archive of that set; NULL: there is none, or no set. */
const struct artifact_file *artifact_set_archive(const struct artifact_set *set);
int artifact_store_open(const struct artifact_store *store, const struct artifact_file *file);

/* One upload: bytes are added, then it is kept under its name, or dropped. */
struct artifact_upload;
int artifact_upload_new(struct artifact_store *store, int64_t job_id, const char *token,
                        const struct artifact_type *type, struct artifact_upload **ret);
int artifact_upload_add(struct artifact_upload *upload, const void *data,
                        size_t len); /* -EFBIG beyond the store's limit */
/* Takes the place of an earlier one of the same job and type. -EBADMSG with a sentence when it is
 * not what it claims to be. */
int artifact_upload_keep(struct artifact_upload *upload, const char *name, struct error *err);
void artifact_upload_free(
    struct artifact_upload *upload); /* accepts NULL; drops what is not kept */
