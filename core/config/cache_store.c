/* core/config/cache_store.c - which store [runners.cache] names, and whether its objects can be signed for.
 *
 * Asked by config check, and for each job by the supervisor: a store that lacks something costs its jobs
 * the cache, never the job. */
#include <stdlib.h>

#include "core/base/str.h"
#include "core/config/config.h"

enum config_store config_cache_store(const struct config_cache *cache)
{
    if (str_empty(cache->type))
        return CONFIG_NO_STORE;
    if (str_starts(cache->type, "s3"))
        return CONFIG_S3;
    return str_starts(cache->type, "gcs") ? CONFIG_GCS : CONFIG_AZURE;
}

struct problem {
    const char *setting, *sentence;
};

/* As the peer decides it. */
bool config_cache_names_keys(const struct config_s3 *s3)
{
    return !str_empty(s3->authentication)
               ? str_eq(s3->authentication, "access-key")
               : !str_empty(s3->server_address) && s3->access_key && s3->secret_key;
}

static struct problem problem_of_s3(const struct config_s3 *s3)
{
    if (str_empty(s3->bucket))
        return (struct problem) { "BucketName", "[runners.cache.s3] has no 'BucketName': caches "
                                                "stay on the instances until it has one" };
    if (s3->server_address && strpbrk(s3->server_address, "/ @"))
        return (struct problem) {
            "ServerAddress", "[runners.cache.s3] 'ServerAddress' is a host, with a port where it "
                             "needs one, such as minio.example:9000: caches stay on the "
                             "instances until it is"
        };
    if (!str_empty(s3->role) || !str_empty(s3->upload_role))
        return (struct problem) {
            !str_empty(s3->role) ? "RoleARN" : "UploadRoleARN",
            "[runners.cache.s3] roles are not assumed yet: caches stay on the instances; name "
            "'AccessKey' and 'SecretKey' instead of the role"
        };
    if (config_cache_names_keys(s3)
            ? s3->access_key && s3->secret_key
            : getenv("AWS_ACCESS_KEY_ID") && getenv("AWS_SECRET_ACCESS_KEY"))
        return (struct problem) { 0 };
    return config_cache_names_keys(s3)
               ? (struct problem) { "AccessKey",
                                    "[runners.cache.s3] needs both 'AccessKey' and 'SecretKey': "
                                    "caches stay on the instances" }
               : (struct problem) {
                     "AuthenticationType",
                     "[runners.cache.s3] of the machine's own credentials (iam) only the variables "
                     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the manager are known so far, "
                     "and they are not set here: without them caches stay on the instances; "
                     "'AuthenticationType' = \"access-key\" with 'AccessKey' and 'SecretKey' "
                     "works, "
                     "too"
                 };
}

static struct problem problem_of_gcs(const struct config_gcs *gcs)
{
    bool key = gcs->private_key && !str_empty(gcs->access_id);

    if (str_empty(gcs->bucket))
        return (struct problem) { "BucketName", "[runners.cache.gcs] has no 'BucketName': caches "
                                                "stay on the instances until it has one" };
    if (key || !str_empty(gcs->credentials_file))
        return (struct problem) { 0 };
    return (struct problem) {
        NULL, "[runners.cache.gcs] keys of the machine's own account are not asked for yet: caches "
              "stay on the instances; name a 'CredentialsFile', or 'AccessID' and 'PrivateKey'"
    };
}

static struct problem problem_of_azure(const struct config_azure *azure)
{
    if (str_empty(azure->account))
        return (struct problem) { "AccountName", "[runners.cache.azure] has no 'AccountName': "
                                                 "caches stay on the instances until it has one" };
    if (str_empty(azure->container))
        return (struct problem) {
            "ContainerName", "[runners.cache.azure] has no 'ContainerName': caches stay on the "
                             "instances until it has one"
        };
    if (azure->key)
        return (struct problem) { 0 };
    return (struct problem) { NULL,
                              "[runners.cache.azure] user delegation keys are not asked for yet: "
                              "caches stay on the instances; name an 'AccountKey'" };
}

const char *config_cache_problem(const struct config_cache *cache, const char **ret_setting)
{
    struct problem problem = { 0 };

    switch (config_cache_store(cache)) {
    case CONFIG_S3:
        problem = problem_of_s3(&cache->s3);
        break;
    case CONFIG_GCS:
        problem = problem_of_gcs(&cache->gcs);
        break;
    case CONFIG_AZURE:
        problem = problem_of_azure(&cache->azure);
        break;
    case CONFIG_NO_STORE:
        break;
    }
    if (ret_setting)
        *ret_setting = problem.setting;
    return problem.sentence;
}
