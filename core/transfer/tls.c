/* core/transfer/tls.c - see tls.h.
 *
 * libcurl takes one file of authorities, in whose place ours would be, so both are given as one text. */
#include "core/transfer/tls.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define AUTHORITIES_MAX (16 << 20)

static const char *system_authorities(void)
{
    const char *given = getenv("SSL_CERT_FILE");

    return str_empty(given) ? curl_version_info(CURLVERSION_NOW)->cainfo : given;
}

static int add_authorities(CURL *easy, const char *file, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    const char *system = system_authorities();
    struct curl_blob blob = { .flags = CURL_BLOB_COPY };

    if (fs_read_file(AT_FDCWD, file, AUTHORITIES_MAX, &text, err) < 0)
        return error_wrap(err, err->code, "tls-ca-file");
    if (!strstr(buf_str(&text), "-----BEGIN "))
        return error_set(err, -EINVAL, "tls-ca-file '%s': holds no certificate in PEM", file);
    buf_add_char(&text, '\n');
    if (system && access(system, R_OK) == 0 &&
        fs_read_file(AT_FDCWD, system, AUTHORITIES_MAX, &text, err) < 0)
        return err->code;
    blob.data = text.data;
    blob.len = text.len;
    if (curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob) != CURLE_OK)
        return error_set(err, -ENOTSUP, "tls-ca-file: this libcurl takes none");
    return 0;
}

int tls_set(CURL *easy, const struct outcome_tls *tls, struct error *err)
{
    const char *given = getenv("SSL_CERT_FILE");

    if (!str_empty(given))
        (void) curl_easy_setopt(easy, CURLOPT_CAINFO, given);
    if (!tls)
        return 0;
    if (!str_empty(tls->cert_file) && !str_empty(tls->key_file)) {
        (void) curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
        (void) curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
    }
    return str_empty(tls->ca_file) ? 0 : add_authorities(easy, tls->ca_file, err);
}
