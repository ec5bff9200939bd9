/* sdk/lib/state_file.c - see state_file.h. */
#include "sdk/lib/state_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/file.h"

#define SIZE_MAX_BYTES (1 << 20)
#define HASH_SIZE 33 /* of a text */

static int32_t check_folder(const char *path, char *error)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        (void) snprintf(error, FLT_ERROR_MAX, "directory %.300s: %m", path);
    else if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        (void) snprintf(error, FLT_ERROR_MAX,
                        "directory %.300s must belong to user %ld and be closed to others (chmod "
                        "0700)",
                        path, (long) geteuid());
    else
        return FLT_OK;
    return FLT_E_INVALID;
}

static void hash_text(const char *text, char ret[HASH_SIZE])
{
    unsigned char hash[EVP_MAX_MD_SIZE] = { 0 };

    (void) EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < HASH_SIZE / 2; i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

int32_t flt_state_path(const struct flt_host *host, flt_call *call, const char *group,
                       const char *ending, char ret[FLT_STATE_PATH_MAX], char *error)
{
    const char *dir = host->state_dir(call);
    char hash[HASH_SIZE];
    int32_t code;

    if (!dir || strlen(dir) > FLT_STATE_PATH_MAX / 2) {
        (void) snprintf(error, FLT_ERROR_MAX,
                        "the host has no state directory, or one whose path is too long");
        return FLT_E_INVALID;
    }
    if ((code = check_folder(dir, error)) != FLT_OK)
        return code;
    hash_text(group, hash);
    (void) snprintf(ret, FLT_STATE_PATH_MAX, "%s/%s.%.32s", dir, hash, ending);
    return FLT_OK;
}

int32_t flt_state_read(const char *path, char **ret, char *error)
{
    return flt_file_read(path, SIZE_MAX_BYTES, ret, error);
}
