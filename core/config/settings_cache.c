/* core/config/settings_cache.c - [runners.cache] and its stores (job-execution.md 5.4). */
#include "core/config/settings.h"

static const char *const types[] = { "s3", "gcs", "azure", "s3v2", "gcsv2", NULL };
static const char *const s3_authentications[] = { "iam", "access-key", NULL };
static const char *const s3_encryptions[] = { "S3", "KMS", "DSSE-KMS", "AES256", "aws:kms", NULL };

static const struct setting s3_settings[] = {
    CHECKED("ServerAddress", SETTING_TEXT),
    CHECKED("AccessKey", SETTING_SECRET),
    CHECKED("SecretKey", SETTING_SECRET),
    CHECKED("SessionToken", SETTING_SECRET),
    CHECKED("BucketName", SETTING_TEXT),
    CHECKED("BucketLocation", SETTING_TEXT),
    CHECKED("Insecure", SETTING_BOOL),
    CHECKED("AuthenticationType", SETTING_TEXT, .choices = s3_authentications),
    CHECKED("ServerSideEncryption", SETTING_TEXT, .choices = s3_encryptions),
    CHECKED("ServerSideEncryptionKeyID", SETTING_TEXT),
    CHECKED("DualStack", SETTING_BOOL),
    CHECKED("PathStyle", SETTING_BOOL),
    CHECKED("Accelerate", SETTING_BOOL),
    CHECKED("RoleARN", SETTING_TEXT),
    CHECKED("UploadRoleARN", SETTING_TEXT),
    CHECKED("AssumeRoleMaxConcurrency", SETTING_INTEGER, .min = -1, .max = 10000),
    CHECKED("DisableAssumeRoleCredentialsCaching", SETTING_BOOL),
};
static const struct section s3_section = CHECKED_SECTION("[runners.cache.s3]", s3_settings);

static const struct setting gcs_settings[] = {
    CHECKED("AccessID", SETTING_TEXT),
    CHECKED("PrivateKey", SETTING_SECRET),
    CHECKED("CredentialsFile", SETTING_TEXT, .check = check_file_is_here),
    CHECKED("BucketName", SETTING_TEXT),
    CHECKED("UniverseDomain", SETTING_TEXT),
};
static const struct section gcs_section = CHECKED_SECTION("[runners.cache.gcs]", gcs_settings);

static const struct setting azure_settings[] = {
    CHECKED("AccountName", SETTING_TEXT),
    CHECKED("AccountKey", SETTING_SECRET),
    CHECKED("ContainerName", SETTING_TEXT),
    CHECKED("StorageDomain", SETTING_TEXT),
};
static const struct section azure_section =
    CHECKED_SECTION("[runners.cache.azure]", azure_settings);

static const struct setting cache_settings[] = {
    CHECKED("Type", SETTING_TEXT, .choices = types),
    CHECKED("Path", SETTING_TEXT),
    CHECKED("Shared", SETTING_BOOL),
    CHECKED("MaxUploadedArchiveSize", SETTING_INTEGER, .max = INT64_MAX, .unit = "bytes"),
    CHECKED("s3", SETTING_SECTION, .section = &s3_section),
    CHECKED("gcs", SETTING_SECTION, .section = &gcs_section),
    CHECKED("azure", SETTING_SECTION, .section = &azure_section),
};
const struct section cache_section = CHECKED_SECTION("[runners.cache]", cache_settings);
