/* core/coordinator/chain.c - see chain.h */
#include "core/coordinator/chain.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define SHOWN_MAX ((size_t) 64 * 1024)

static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");

    host = host ? host + strlen("://") : url;
    return (size_t) (host - url) + strcspn(host, "/?#");
}

struct chain *chain_find(struct chain *list, const char *url)
{
    size_t len = origin_len(url);

    for (; list; list = list->next)
        if (strlen(list->url) == len && strncmp(list->url, url, len) == 0)
            return list;
    return NULL;
}

struct chain *chain_of(struct chain **list, const char *url)
{
    size_t len = origin_len(url);
    struct chain *chain = chain_find(*list, url);

    if (chain)
        return chain;
    chain = mem_zero(sizeof(*chain));
    if (chain)
        chain->url = mem_strndup(url, len);
    if (!chain || !chain->url) {
        free(chain);
        return NULL;
    }
    chain->next = *list;
    *list = chain;
    return chain;
}

void chain_free_all(struct chain *list)
{
    while (list) {
        struct chain *next = list->next;

        buf_done(&list->shown);
        buf_done(&list->proved);
        free(list->url);
        free(list);
        list = next;
    }
}

static void write_pem(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;

    if (bio && PEM_write_bio_X509(bio, certificate) == 1)
        len = BIO_get_mem_data(bio, &text);
    if (len > 0 && out->len + (size_t) len <= SHOWN_MAX)
        buf_add(out, text, (size_t) len);
    (void) BIO_free(bio);
}

/* In the place of OpenSSL's own check, which it calls. */
static int verify(X509_STORE_CTX *context, void *arg)
{
    struct chain *chain = arg;
    int ok = X509_verify_cert(context);
    STACK_OF(X509) *certificates = ok == 1 ? X509_STORE_CTX_get0_chain(context) : NULL;

    buf_clear(&chain->shown);
    for (int i = 0; certificates && i < sk_X509_num(certificates); i++)
        write_pem(sk_X509_value(certificates, i), &chain->shown);
    return ok;
}

static CURLcode on_context(CURL *easy, void *context, void *chain)
{
    (void) easy;
    SSL_CTX_set_cert_verify_callback(context, verify, chain);
    return CURLE_OK;
}

void chain_watch(struct chain *chain, CURL *easy)
{
    (void) curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
    (void) curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, chain);
}

void chain_note_answer(struct chain *chain)
{
    if (chain->shown.len == 0 || buf_error(&chain->shown))
        return;
    buf_done(&chain->proved);
    chain->proved = chain->shown;
    chain->shown = BUF_INIT;
}
