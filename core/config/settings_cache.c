/* core/config/settings_cache.c - [runners.cache] and its stores (job-execution.md 5.4). */
#include "core/config/settings.h"

static const char *const types[] = { "s3", "gcs", "azure", "s3v2", "gcsv2", NULL };
static const char *const s3_authentications[] = { "iam", "access-key", NULL };
static const char *const s3_encryptions[] = { "S3", "KMS", "DSSE-KMS", "AES256", "aws:kms", NULL };

#define ROLES_NOT_YET                                                                              \
    "is not acted on yet: no role is assumed, and caches stay on the instances; name 'AccessKey' " \
    "and 'SecretKey' instead of the role"

static const struct setting s3_settings[] = {
    TEXT("ServerAddress", struct config_s3, server_address),
    SECRET("AccessKey", struct config_s3, access_key),
    SECRET_FILE("AccessKeyFile", struct config_s3, access_key),
    SECRET("SecretKey", struct config_s3, secret_key),
    SECRET_FILE("SecretKeyFile", struct config_s3, secret_key),
    SECRET("SessionToken", struct config_s3, session_token),
    SECRET_FILE("SessionTokenFile", struct config_s3, session_token),
    TEXT("BucketName", struct config_s3, bucket),
    TEXT("BucketLocation", struct config_s3, region),
    BOOL("Insecure", struct config_s3, insecure),
    TEXT("AuthenticationType", struct config_s3, authentication, .choices = s3_authentications),
    TEXT("ServerSideEncryption", struct config_s3, encryption, .choices = s3_encryptions),
    TEXT("ServerSideEncryptionKeyID", struct config_s3, encryption_key),
    BOOL("DualStack", struct config_s3, dual_stack, .initial = true),
    { .name = "PathStyle",
      .kind = SETTING_TRISTATE,
      .offset = offsetof(struct config_s3, path_style) },
    BOOL("Accelerate", struct config_s3, accelerate),
    TEXT("RoleARN", struct config_s3, role, .flags = SETTING_NOT_YET, .note = ROLES_NOT_YET),
    TEXT("UploadRoleARN", struct config_s3, upload_role, .flags = SETTING_NOT_YET,
         .note = ROLES_NOT_YET),
    NOT_YET("AssumeRoleMaxConcurrency", SETTING_INTEGER, .min = -1, .max = 10000),
    NOT_YET("DisableAssumeRoleCredentialsCaching", SETTING_BOOL),
};
static const struct section s3_section = { .name = "[runners.cache.s3]",
                                           .size = sizeof(struct config_s3),
                                           .settings = s3_settings,
                                           .n_settings = ARRAY_LEN(s3_settings) };

static const struct setting gcs_settings[] = {
    TEXT("AccessID", struct config_gcs, access_id),
    SECRET("PrivateKey", struct config_gcs, private_key),
    SECRET_FILE("PrivateKeyFile", struct config_gcs, private_key),
    TEXT("CredentialsFile", struct config_gcs, credentials_file, .check = check_key_file),
    TEXT("BucketName", struct config_gcs, bucket),
    TEXT("UniverseDomain", struct config_gcs, universe, .initial_text = "googleapis.com"),
};
static const struct section gcs_section = { .name = "[runners.cache.gcs]",
                                            .size = sizeof(struct config_gcs),
                                            .settings = gcs_settings,
                                            .n_settings = ARRAY_LEN(gcs_settings) };

static const struct setting azure_settings[] = {
    TEXT("AccountName", struct config_azure, account),
    SECRET("AccountKey", struct config_azure, key),
    SECRET_FILE("AccountKeyFile", struct config_azure, key),
    TEXT("ContainerName", struct config_azure, container),
    TEXT("StorageDomain", struct config_azure, domain, .initial_text = "blob.core.windows.net"),
};
static const struct section azure_section = { .name = "[runners.cache.azure]",
                                              .size = sizeof(struct config_azure),
                                              .settings = azure_settings,
                                              .n_settings = ARRAY_LEN(azure_settings) };

static const struct setting cache_settings[] = {
    TEXT("Type", struct config_cache, type, .choices = types),
    TEXT("Path", struct config_cache, path),
    BOOL("Shared", struct config_cache, shared),
    INTEGER("MaxUploadedArchiveSize", struct config_cache, max_archive_bytes, 0, INT64_MAX,
            .initial = 0, .unit = "bytes"),
    SECTION("s3", struct config_cache, s3, &s3_section),
    SECTION("gcs", struct config_cache, gcs, &gcs_section),
    SECTION("azure", struct config_cache, azure, &azure_section),
};
const struct section cache_section = { .name = "[runners.cache]",
                                       .size = sizeof(struct config_cache),
                                       .settings = cache_settings,
                                       .n_settings = ARRAY_LEN(cache_settings) };
