/* core/exec/artifact_store.c - see artifact_store.h. */
#include "core/exec/artifact_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/dotenv.h"

#define NAME_MAX_BYTES 255

struct artifact_store {
    char *folder;
    int fd;
    int64_t file_max;
    unsigned uploads; /* that were begun */
    struct artifact_set *sets;
    size_t n_sets;
};

struct artifact_upload {
    struct artifact_store *store;
    int64_t job_id, size;
    char *token;
    const struct artifact_type *type;
    char part[32]; /* the file's name until it is kept */
    int fd;
};

int artifact_store_new(const char *folder, int64_t file_max, struct artifact_store **ret,
                       struct error *err)
{
    auto_ptr(artifact_store_free) struct artifact_store *store = mem_zero(sizeof(*store));
    int r;

    if (!store)
        return error_set(err, -ENOMEM, "artifacts: out of memory");
    store->fd = -1;
    store->file_max = file_max;
    r = fs_mkdirs(folder, 0700, err);
    if (r < 0)
        return r;
    store->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->fd < 0)
        return error_errno(err, -errno, "%s", folder);
    store->folder = realpath(folder, NULL);
    if (!store->folder)
        return error_errno(err, -errno, "%s", folder);
    *ret = take_ptr(store);
    return 0;
}

static void set_done(struct artifact_set *set)
{
    for (size_t i = 0; i < set->n_files; i++) {
        free(set->files[i].file);
        free(set->files[i].name);
    }
    free(set->files);
    ci_variables_done(&set->variables);
    if (set->token)
        secret_wipe_str(set->token);
    free(set->token);
}

void artifact_store_free(struct artifact_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->n_sets; i++)
        set_done(&store->sets[i]);
    free(store->sets);
    free(store->folder);
    if (store->fd >= 0)
        (void) close(store->fd);
    free(store);
}

const char *artifact_store_folder(const struct artifact_store *store)
{
    return store->folder;
}

static struct artifact_set *find(const struct artifact_store *store, int64_t job_id)
{
    for (size_t i = 0; i < store->n_sets; i++)
        if (store->sets[i].job_id == job_id)
            return &store->sets[i];
    return NULL;
}

const struct artifact_set *artifact_store_find(const struct artifact_store *store, int64_t job_id)
{
    return find(store, job_id);
}

static struct artifact_file *find_type(const struct artifact_set *set,
                                       const struct artifact_type *type)
{
    for (size_t i = 0; i < set->n_files; i++)
        if (set->files[i].type == type)
            return &set->files[i];
    return NULL;
}

const struct artifact_file *artifact_set_archive(const struct artifact_set *set)
{
    return set ? find_type(set, &artifact_archive) : NULL;
}

int artifact_store_open(const struct artifact_store *store, const struct artifact_file *file)
{
    int fd = openat(store->fd, file->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* Uploads. */

int artifact_upload_new(struct artifact_store *store, int64_t job_id, const char *token,
                        const struct artifact_type *type, struct artifact_upload **ret)
{
    struct artifact_upload *upload = mem_zero(sizeof(*upload));
    int r;

    if (!upload || !(upload->token = mem_strdup(token))) {
        free(upload);
        return -ENOMEM;
    }
    upload->store = store;
    upload->job_id = job_id;
    upload->type = type;
    (void) snprintf(upload->part, sizeof(upload->part), ".upload-%u", store->uploads++);
    /* What a run that was killed has left there is no obstacle. */
    (void) unlinkat(store->fd, upload->part, 0);
    upload->fd =
        openat(store->fd, upload->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (upload->fd < 0) {
        r = -errno;
        artifact_upload_free(upload);
        return r;
    }
    *ret = upload;
    return 0;
}

void artifact_upload_free(struct artifact_upload *upload)
{
    if (!upload)
        return;
    if (upload->fd >= 0) {
        (void) close(upload->fd);
        (void) unlinkat(upload->store->fd, upload->part, 0);
    }
    secret_wipe_str(upload->token);
    free(upload->token);
    free(upload);
}

int artifact_upload_add(struct artifact_upload *upload, const void *data, size_t len)
{
    if ((int64_t) len > upload->store->file_max - upload->size)
        return -EFBIG;
    upload->size += (int64_t) len;
    return fs_write_all(upload->fd, data, len);
}

/* The last part of a path, if it is a name that people can read. */
static char *shown_name(const struct artifact_type *type, const char *name)
{
    const char *part = name ? name : "";
    bool good;

    for (const char *c = part; *c; c++)
        if (*c == '/' || *c == '\\')
            part = c + 1;
    good = *part && strlen(part) <= NAME_MAX_BYTES && !str_eq(part, ".") && !str_eq(part, "..") &&
           utf8_valid(part, strlen(part));
    for (const char *c = part; good && *c; c++)
        good = (unsigned char) *c >= ' ' && *c != 0x7f && *c != '"';
    return good ? mem_strdup(part) : mem_printf("%s.zip", type->name);
}

static const char *suffix_of(const struct artifact_type *type)
{
    if (str_eq(type->format, "zip"))
        return ".zip";
    return str_eq(type->format, "gzip") ? ".gz" : "";
}

static bool is_dotenv(const struct artifact_type *type)
{
    return str_eq(type->name, "dotenv");
}

static struct artifact_set *need_set(struct artifact_store *store,
                                     const struct artifact_upload *upload)
{
    struct artifact_set *set = find(store, upload->job_id), *sets;
    char *token;

    if (set)
        return set;
    sets = mem_resize(store->sets, store->n_sets + 1, sizeof(*sets));
    if (sets)
        store->sets = sets;
    token = sets ? mem_strdup(upload->token) : NULL;
    if (!token)
        return NULL;
    sets[store->n_sets] = (struct artifact_set) { .job_id = upload->job_id, .token = token };
    return &sets[store->n_sets++];
}

/* Notes the file, whose names are taken; NULL when memory is short. */
static struct artifact_file *note_file(struct artifact_set *set, const struct artifact_type *type,
                                       char **path, char **shown)
{
    struct artifact_file *file = find_type(set, type), *files;

    if (!file) {
        files = mem_resize(set->files, set->n_files + 1, sizeof(*files));
        if (!files)
            return NULL;
        set->files = files;
        file = &files[set->n_files++];
        *file = (struct artifact_file) { .type = type };
    }
    free(file->name);
    free(file->file);
    file->name = take_ptr(*shown);
    file->file = take_ptr(*path);
    return file;
}

/* In the order in which nothing is told of that is not there. */
static int keep(struct artifact_upload *upload, const char *name, struct ci_variables *variables,
                struct error *err)
{
    struct artifact_store *store = upload->store;
    autofree char *shown = shown_name(upload->type, name);
    autofree char *path =
        mem_printf("%" PRId64 "-%s%s", upload->job_id, upload->type->name, suffix_of(upload->type));
    struct artifact_set *set = need_set(store, upload);
    struct artifact_file *file;

    if (!shown || !path || !set)
        return error_set(err, -ENOMEM, "artifacts: out of memory");
    if (renameat(store->fd, upload->part, store->fd, path) < 0)
        return error_errno(err, -errno, "%s/%s", store->folder, path);
    (void) close(take_fd(&upload->fd));
    file = note_file(set, upload->type, &path, &shown);
    if (!file)
        return error_set(err, -ENOMEM, "artifacts: out of memory");
    file->size = upload->size;
    if (is_dotenv(upload->type)) {
        ci_variables_done(&set->variables);
        set->variables = *variables;
        *variables = (struct ci_variables) { 0 };
    }
    return 0;
}

int artifact_upload_keep(struct artifact_upload *upload, const char *name, struct error *err)
{
    struct ci_variables variables = { 0 };
    int r = is_dotenv(upload->type) ? dotenv_read(upload->fd, &variables, err) : 0;

    if (r == 0)
        r = keep(upload, name, &variables, err);
    ci_variables_done(&variables);
    return r;
}
