/* helper/http/azure.c - an object of Azure's blob storage by a SAS token: a plain HTTPS URL whose query is
 * the token (job-execution.md 5.4). */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "helper/http/store.h"

#define DOMAIN "blob.core.windows.net"

/* Each component by itself: the slashes between them stay. */
static int add_path(struct buf *out, const char *path)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        char *escaped = curl_easy_escape(NULL, path, (int) len);

        if (len > 0 && !escaped)
            return -ENOMEM;
        buf_add_str(out, len > 0 ? escaped : "");
        curl_free(escaped);
        path += len;
        if (*path == '/') {
            buf_add_char(out, '/');
            path++;
        }
    }
    return buf_error(out);
}

static bool is_name(const char *text)
{
    return !str_empty(text) &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:")] == '\0';
}

int azure_url(const struct gocloud *url, const struct env_file *environment, char **ret_url,
              struct error *err)
{
    autobuf struct buf out = BUF_SECRET;
    const char *account = env_file_get(environment, "AZURE_STORAGE_ACCOUNT"),
               *domain = env_file_get(environment, "AZURE_STORAGE_DOMAIN"),
               *token = env_file_get(environment, "AZURE_STORAGE_SAS_TOKEN");

    if (str_empty(token))
        return error_set(err, -EINVAL, "azblob: AZURE_STORAGE_SAS_TOKEN is missing in --env-file");
    if (str_empty(domain))
        domain = DOMAIN;
    if (!is_name(account) || !is_name(domain))
        return error_set(err, -EINVAL,
                         "azblob: AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_DOMAIN must be names");
    buf_addf(&out, "https://%s.%s/", account, domain);
    if (add_path(&out, url->container) < 0)
        return error_set(err, -ENOMEM, "azblob: out of memory");
    buf_add_char(&out, '/');
    if (add_path(&out, url->object) < 0)
        return error_set(err, -ENOMEM, "azblob: out of memory");
    buf_addf(&out, "?%s", token + (*token == '?'));
    *ret_url = buf_take(&out);
    return *ret_url ? 0 : error_set(err, -ENOMEM, "azblob: out of memory");
}
