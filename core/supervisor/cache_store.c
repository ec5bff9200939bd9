/* core/supervisor/cache_store.c - settings and keys brought to the signers of sdk/lib (cache_store.h). */
#include "core/supervisor/cache_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cache_key.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define NAME_MAX_BYTES 1000 /* stores take 1024 of a whole name */
#define CREDENTIALS_MAX ((size_t) 64 * 1024)

struct cache_store {
    const struct config_cache *settings;
    char problem[512];
    char *path; /* the canonical form of Path; NULL = none */
    /* The credentials file's, where there is one: it comes before what is named beside it. */
    char *account;
    struct secret *private_key;
};

/* A key file as Google's console makes it. */
static int read_credentials(struct cache_store *store, const char *file, struct error *err)
{
    autobuf struct buf content = BUF_SECRET;
    autojson json_t *json = NULL;
    const char *account = NULL, *key = NULL;
    int r = fs_read_file(AT_FDCWD, file, CREDENTIALS_MAX, &content, err);

    if (r == 0)
        r = json_parse(buf_str(&content), content.len, &json, err);
    if (r == 0)
        r = json_need_str(json, "client_email", &account, err);
    if (r == 0)
        r = json_need_str(json, "private_key", &key, err);
    if (r < 0)
        return error_wrap(err, r, "[runners.cache.gcs] 'CredentialsFile'");
    store->account = mem_strdup(account);
    store->private_key = secret_from_str(key);
    return store->account && store->private_key ? 0 : -ENOMEM;
}

static void read_files(struct cache_store *store)
{
    const struct config_gcs *gcs = &store->settings->gcs;
    const char *problem = config_cache_problem(store->settings, NULL);
    struct error err = { .message = "out of memory" };

    if (problem)
        (void) str_cut(store->problem, sizeof(store->problem), problem);
    else if (config_cache_store(store->settings) == CONFIG_GCS &&
             !str_empty(gcs->credentials_file) &&
             read_credentials(store, gcs->credentials_file, &err) < 0)
        (void) str_cut(store->problem, sizeof(store->problem), err.message);
}

struct cache_store *cache_store_open(const struct config_cache *settings)
{
    struct cache_store *store = mem_zero(sizeof(*store));
    int r;

    if (!store)
        return NULL;
    store->settings = settings;
    r = str_empty(settings->path) ? 0 : cache_key_canonical(settings->path, &store->path);
    if (r == -ENOMEM) {
        cache_store_close(store);
        return NULL;
    }
    read_files(store);
    return store;
}

void cache_store_close(struct cache_store *store)
{
    if (!store)
        return;
    free(store->path);
    free(store->account);
    secret_free(store->private_key);
    free(store);
}

const char *cache_store_problem(const struct cache_store *store)
{
    return store && *store->problem ? store->problem : NULL;
}

static int check_name(const char *name, struct error *err)
{
    autofree char *canonical = NULL;
    int r = cache_key_canonical(name, &canonical);

    if (r == -ENOMEM)
        return error_set(err, r, "cache: out of memory");
    if (r < 0 || !str_eq(canonical, name) || strlen(name) > NAME_MAX_BYTES)
        return error_set(err, -EINVAL, "that is no name of a cache archive");
    return 0;
}

int cache_store_object_name(const struct cache_store *store, const struct cache_object *object,
                            char **ret, struct error *err)
{
    const struct config_cache *settings = store->settings;
    autobuf struct buf name = BUF_INIT;
    int r = check_name(object->name, err);

    if (r < 0)
        return r;
    if (store->path)
        buf_addf(&name, "%s/", store->path);
    if (!settings->shared)
        buf_addf(&name, "runner/%s/", object->short_token);
    buf_addf(&name, "project/%" PRId64 "/%s", object->project_id, object->name);
    *ret = buf_take(&name);
    return *ret ? 0 : error_set(err, -ENOMEM, "cache: out of memory");
}

/* NULL for what is not said. */
static const char *text_or_null(const char *text)
{
    return str_empty(text) ? NULL : text;
}

static const char *encryption_of(const struct config_s3 *s3)
{
    static const struct {
        const char *configured, *header;
    } names[] = {
        { "S3", "AES256" },       { "AES256", "AES256" },         { "KMS", "aws:kms" },
        { "aws:kms", "aws:kms" }, { "DSSE-KMS", "aws:kms:dsse" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(s3->encryption, names[i].configured))
            return names[i].header;
    return NULL;
}

/* The machine's own keys are those of the environment, as config_cache_problem() has made sure. */
static int sign_s3(const struct cache_store *store, const struct flt_object *object,
                   struct flt_signed_url *ret)
{
    const struct config_s3 *s3 = &store->settings->s3;
    bool named = config_cache_names_keys(s3);
    const char *encryption = encryption_of(s3);
    struct flt_s3 signer = {
        .server = text_or_null(s3->server_address),
        .bucket = s3->bucket,
        .region = text_or_null(s3->region),
        .access_key = named ? secret_reveal(s3->access_key) : getenv("AWS_ACCESS_KEY_ID"),
        .secret_key = named ? secret_reveal(s3->secret_key) : getenv("AWS_SECRET_ACCESS_KEY"),
        .session_token = named ? secret_reveal(s3->session_token) : getenv("AWS_SESSION_TOKEN"),
        .insecure = s3->insecure,
        .dual_stack = s3->dual_stack,
        .accelerate = s3->accelerate,
        .path_style = s3->path_style,
        .encryption = encryption,
        .encryption_key = str_eq(encryption, "AES256") ? NULL : s3->encryption_key,
    };

    return flt_s3_sign(&signer, object, ret);
}

static int sign_gcs(const struct cache_store *store, const struct flt_object *object,
                    struct flt_signed_url *ret)
{
    const struct config_gcs *gcs = &store->settings->gcs;
    const struct flt_gcs signer = {
        .bucket = gcs->bucket,
        .universe = text_or_null(gcs->universe),
        .account = store->account ? store->account : gcs->access_id,
        .private_key = secret_reveal(store->account ? store->private_key : gcs->private_key),
        .max_bytes = store->settings->max_archive_bytes,
    };

    return flt_gcs_sign(&signer, object, ret);
}

static int sign_azure(const struct cache_store *store, const struct flt_object *object,
                      struct flt_signed_url *ret)
{
    const struct config_azure *azure = &store->settings->azure;
    const struct flt_azure signer = { .account = azure->account,
                                      .key = secret_reveal(azure->key),
                                      .container = azure->container,
                                      .domain = text_or_null(azure->domain) };

    return flt_azure_sign(&signer, object, ret);
}

static bool is_method(const char *method)
{
    return str_eq(method, "GET") || str_eq(method, "HEAD") || str_eq(method, "PUT");
}

int cache_store_sign(const struct cache_store *store, const struct cache_object *object,
                     const char *method, int64_t now_s, int64_t lifetime_s,
                     struct flt_signed_url *ret, struct error *err)
{
    enum config_store kind = store ? config_cache_store(store->settings) : CONFIG_NO_STORE;
    struct flt_object wanted = {
        .method = method, .label = object->name, .now_s = now_s, .lifetime_s = lifetime_s
    };
    autofree char *name = NULL;
    int r;

    *ret = (struct flt_signed_url) { 0 };
    if (!is_method(method))
        return error_set(err, -EINVAL, "nothing is signed for that method");
    if (kind == CONFIG_NO_STORE)
        return error_set(err, -ENOENT, "no cache store is configured");
    if (cache_store_problem(store))
        return error_set(err, -ENOKEY, "%s", store->problem);
    r = cache_store_object_name(store, object, &name, err);
    if (r < 0)
        return r;
    wanted.name = name;
    r = kind == CONFIG_S3    ? sign_s3(store, &wanted, ret)
        : kind == CONFIG_GCS ? sign_gcs(store, &wanted, ret)
                             : sign_azure(store, &wanted, ret);
    return r < 0 ? error_errno(err, r, "the cache store's key cannot be used") : 0;
}
