/* core/job/connect/winrm_tls.c - see the header. */
#include "core/job/connect/winrm_tls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/base/autoclean.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_backend.h"

bool winrm_tls_is_for(const struct remote_options *options)
{
    return str_eq(options->protocol, "winrm+https");
}

/* SHA-256 of the public key, which outlives the certificate. */
static int add_key(struct buf *out, X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
    int len = i2d_PUBKEY(X509_get0_pubkey(certificate), &der);
    unsigned digest_len = 0;
    bool ok =
        len > 0 && EVP_Digest(der, (size_t) len, digest, &digest_len, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return ok ? base64_encode(out, digest, digest_len) : -EPROTO;
}

static int check_own(X509_STORE_CTX *store, void *arg)
{
    const struct winrm_tls *tls = arg;
    const struct remote_options *options = tls->options;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    autobuf struct buf key = BUF_INIT;
    int r = certificate ? add_key(&key, certificate) : -EPROTO;

    if (r < 0) {
        (void) error_set(tls->why, r, "the instance's certificate has no key that can be read");
        return 0;
    }
    r = options->check_host_key(options->check_arg, "x509-sha256", buf_str(&key),
                                ssh_handshake_deadlines(INT64_MAX).whole, tls->why);
    if (r < 0 && !*tls->why->message)
        (void) error_errno(tls->why, r, "checking the instance's certificate");
    X509_STORE_CTX_set_error(store, r < 0 ? X509_V_ERR_CERT_REJECTED : X509_V_OK);
    return r == 0;
}

static CURLcode set_context(CURL *easy, void *context, void *tls)
{
    (void) easy;
    SSL_CTX_set_cert_verify_callback(context, check_own, tls);
    return CURLE_OK;
}

/* The authorities are not asked then, and it takes a while to read them. */
static CURLcode set_own(CURL *easy, struct winrm_tls *tls)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);

    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_context);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, tls);
    return code;
}

int winrm_tls_set(CURL *easy, struct winrm_tls *tls)
{
    const struct remote_options *options = tls->options;
    bool own = options->own_certificate;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);

    if (code == CURLE_OK && !str_empty(options->ca_file))
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, own ? 0L : 2L);
    if (code == CURLE_OK && own)
        code = set_own(easy, tls);
    return code == CURLE_OK ? 0 : -ENOMEM;
}

/* The hash of its signature's, but SHA-256 for those that are too weak. */
static const EVP_MD *hash_for(X509 *certificate)
{
    int hash = NID_undef;

    if (X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1)
        return NULL;
    return hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
}

void winrm_tls_channel(CURL *easy, struct buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct curl_tlssessioninfo *session = NULL;
    X509 *certificate = NULL;
    const EVP_MD *hash;
    unsigned len = 0;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session &&
        session->backend == CURLSSLBACKEND_OPENSSL && session->internals)
        certificate = SSL_get1_peer_certificate(session->internals);
    hash = certificate ? hash_for(certificate) : NULL;
    if (hash && X509_digest(certificate, hash, digest, &len) == 1) {
        buf_add_str(out, "tls-server-end-point:");
        buf_add(out, digest, len);
    }
    X509_free(certificate);
}
