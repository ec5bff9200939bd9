/* helper/archive/provenance.c - the statement, whose list of files is written one by one: it may be
 * longer than all else together.
 */
#include "helper/archive/provenance.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"

#define READ_SIZE ((size_t) 256 * 1024)
#define STATEMENT_MAX ((size_t) 1 << 30)
#define HEX_SIZE (2 * SHA256_DIGEST_SIZE + 1)

static const char build_type[] =
    "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/main/PROVENANCE.md";

static int hash_file(int fd, void *data, char hex[HEX_SIZE])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sum;
    ssize_t n;

    sha256_init(&sum);
    while ((n = io_read(fd, data, READ_SIZE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        sha256_update(&sum, (size_t) n, data);
    }
    sha256_digest(&sum, sizeof(digest), digest);
    hex_encode(hex, digest, sizeof(digest));
    return 0;
}

/* {"name":…,"digest":{"sha256":…}} */
static int add_subject(struct buf *out, const char *path, const char *hex)
{
    autojson json_t *subject = json_object_new_object(), *digest = json_object_new_object();
    const char *text;

    if (!subject || !digest || json_add_str(subject, "name", path) < 0 ||
        json_add_str(digest, "sha256", hex) < 0 ||
        json_add(subject, "digest", take_ptr(digest)) < 0)
        return -ENOMEM;
    text = json_text(subject);
    if (!text)
        return -ENOMEM;
    if (out->len > 0 && out->data[out->len - 1] == '}')
        buf_add_char(out, ',');
    buf_add_str(out, text);
    return buf_error(out);
}

/* Regular files alone; what vanished is not in the archive either. */
static int add_file(struct buf *out, struct beneath *tree, const char *path, void *data)
{
    const char *name;
    int folder = beneath_parent(tree, path, &name), r;
    char hex[HEX_SIZE];
    struct stat st;
    autoclose int fd = -1;

    if (folder < 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    fd = io_openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = hash_file(fd, data, hex);
    return r < 0 ? r : add_subject(out, path, hex);
}

static int add_subjects(struct buf *out, const struct selection *selection, int root_fd,
                        struct error *err)
{
    autobeneath struct beneath tree = BENEATH_INIT(root_fd, BENEATH_INSIDE_LINKS);
    autofree void *data = mem_alloc(READ_SIZE);
    int r = data ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < selection->n_paths; i++) {
        r = add_file(out, &tree, selection->paths[i], data);
        if (r < 0)
            return error_errno(err, r, "%s", selection->paths[i]);
    }
    return r < 0 ? error_errno(err, r, "provenance") : 0;
}

static const char *text_of(const char *field)
{
    return field ? field : "";
}

/* Adds `child` under `key`; both may be NULL for want of memory. */
static bool nest(json_t *parent, const char *key, json_t **child)
{
    return parent && *child && json_add(parent, key, take_ptr(*child)) == 0;
}

static json_t *external_parameters(const struct provenance *p)
{
    autojson json_t *parameters = json_object_new_object(), *names = json_object_new_object();
    bool good = parameters && names;

    for (size_t i = 0; good && i < p->n_parameters; i++)
        good = json_add_str(names, p->parameters[i], "") == 0;
    good = good && json_add_str(parameters, "entryPoint", text_of(p->job_name)) == 0 &&
           json_add_str(parameters, "source", text_of(p->repo_url)) == 0 &&
           nest(parameters, "variables", &names);
    return good ? take_ptr(parameters) : NULL;
}

static json_t *internal_parameters(const struct provenance *p)
{
    autojson json_t *parameters = json_object_new_object();
    autofree char *job = mem_printf("%lld", (long long) p->job_id);
    bool good = parameters && job &&
                json_add_str(parameters, "architecture", text_of(p->architecture)) == 0 &&
                json_add_str(parameters, "executor", text_of(p->executor_name)) == 0 &&
                json_add_str(parameters, "job", job) == 0 &&
                json_add_str(parameters, "name", text_of(p->runner_name)) == 0;

    return good ? take_ptr(parameters) : NULL;
}

static json_t *dependencies(const struct provenance *p)
{
    autojson json_t *list = json_object_new_array(), *source = json_object_new_object(),
                    *digest = json_object_new_object();
    bool good = list && source && digest &&
                json_add_str(source, "uri", text_of(p->repo_url)) == 0 &&
                json_add_str(digest, "sha256", text_of(p->repo_digest)) == 0 &&
                nest(source, "digest", &digest) && json_object_array_add(list, source) == 0;

    if (!good)
        return NULL;
    source = NULL;
    return take_ptr(list);
}

static json_t *build_definition(const struct provenance *p)
{
    autojson json_t *definition = json_object_new_object(), *external = external_parameters(p),
                    *internal = internal_parameters(p), *list = dependencies(p);
    bool good = definition && json_add_str(definition, "buildType", build_type) == 0 &&
                nest(definition, "externalParameters", &external) &&
                nest(definition, "internalParameters", &internal) &&
                nest(definition, "resolvedDependencies", &list);

    return good ? take_ptr(definition) : NULL;
}

static json_t *builder(const struct provenance *p)
{
    autojson json_t *made_by = json_object_new_object(), *version = json_object_new_object();
    autofree char *id =
        mem_printf("%s/-/runners/%lld", text_of(p->server_url), (long long) p->runner_id);
    bool good = made_by && version && id && json_add_str(made_by, "id", id) == 0 &&
                json_add_str(version, "flotilla", text_of(p->runner_version)) == 0 &&
                nest(made_by, "version", &version);

    return good ? take_ptr(made_by) : NULL;
}

static json_t *run_details(const struct provenance *p)
{
    autojson json_t *details = json_object_new_object(), *metadata = json_object_new_object(),
                    *made_by = builder(p);
    autofree char *job = mem_printf("%lld", (long long) p->job_id);
    bool good = metadata && job && json_add_str(metadata, "invocationID", job) == 0 &&
                json_add_str(metadata, "startedOn", text_of(p->started_at)) == 0 &&
                json_add_str(metadata, "finishedOn", text_of(p->ended_at)) == 0 &&
                nest(details, "builder", &made_by) && nest(details, "metadata", &metadata);

    return good ? take_ptr(details) : NULL;
}

static json_t *predicate_of(const struct provenance *p)
{
    autojson json_t *predicate = json_object_new_object(), *definition = build_definition(p),
                    *details = run_details(p);
    bool good =
        nest(predicate, "buildDefinition", &definition) && nest(predicate, "runDetails", &details);

    return good ? take_ptr(predicate) : NULL;
}

static int write_statement(const struct provenance *p, int root_fd,
                           const struct selection *selection, struct buf *out, struct error *err)
{
    autojson json_t *predicate = predicate_of(p);
    int r;

    buf_addf(out,
             "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":"
             "\"https://slsa.dev/provenance/%s\",\"subject\":[",
             p->schema_version ? p->schema_version : "v1");
    r = add_subjects(out, selection, root_fd, err);
    if (r < 0)
        return r;
    buf_add_str(out, "],\"predicate\":");
    buf_add_str(out, predicate && json_text(predicate) ? json_text(predicate) : "");
    buf_add_str(out, "}\n");
    r = predicate ? buf_error(out) : -ENOMEM;
    return r < 0 ? error_errno(err, r, "provenance") : 0;
}

int provenance_write(const struct provenance *provenance, int root_fd, struct selection *selection,
                     struct error *err)
{
    autobuf struct buf statement = { .max = STATEMENT_MAX };
    autofree char *name = mem_printf("%s-metadata.json", provenance->artifact_name);
    int r;

    if (!name)
        return error_errno(err, -ENOMEM, "provenance");
    if (strchr(name, '/'))
        return error_set(err, -EINVAL, "%s: the artifacts' name has a slash", name);
    r = write_statement(provenance, root_fd, selection, &statement, err);
    if (r == 0)
        r = fs_replace_file(root_fd, name, buf_str(&statement), statement.len, 0644, err);
    if (r == 0 && selection_add(selection, name) < 0)
        r = error_errno(err, -ENOMEM, "provenance");
    return r;
}
