/* tests/unit/coordinator/test_chain.c - mirrors core/coordinator/chain.c, against a TLS server of OpenSSL's
 * with a certificate that signs itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/chain.h"
#include "core/coordinator/client.h"

struct server {
    int fd;
    pthread_t thread;
    EVP_PKEY *key;
    X509 *certificate;
    char *url, file[64];
};

/* For `name`, as a subjectAltName of openssl's. */
static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);

    (void) X509_set_version(certificate, 2);
    (void) ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void) X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void) X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void) X509_set_pubkey(certificate, key);
    (void) X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                      (const unsigned char *) "gitlab", -1, -1, 0);
    (void) X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    (void) X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void *serve(void *arg)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct server *server = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    autoclose int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    SSL *ssl;
    char chunk[4096];

    (void) SSL_CTX_use_certificate(context, server->certificate);
    (void) SSL_CTX_use_PrivateKey(context, server->key);
    ssl = SSL_new(context);
    (void) SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, chunk, sizeof(chunk)) > 0)
        (void) SSL_write(ssl, answer, sizeof(answer) - 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return NULL;
}

static void start_server(struct server *server, const char *name)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    FILE *file;

    server->key = EVP_EC_gen("P-256");
    server->certificate = make_certificate(server->key, name);
    (void) snprintf(server->file, sizeof(server->file), "/tmp/flotilla-chain-XXXXXX");
    file = fdopen(mkstemp(server->file), "w");
    assert_int_equal(PEM_write_X509(file, server->certificate), 1);
    (void) fclose(file);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *) &address, &len), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    server->url = mem_printf("https://127.0.0.1:%d/gitlab", ntohs(address.sin_port));
}

static void stop_server(struct server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void) close(server->fd);
    (void) unlink(server->file);
    EVP_PKEY_free(server->key);
    X509_free(server->certificate);
    free(server->url);
}

static void on_updated(void *arg, const struct update_outcome *outcome)
{
    *(struct update_outcome *) arg = *outcome;
}

/* One PUT, to its end; then what is known of the server's certificates. */
static char *certificates_after_update(const struct server *server, enum update_result want)
{
    struct coordinator_host host = { .url = server->url, .tls_ca_file = server->file };
    struct coordinator_job_update update = { .job_id = 1, .token = "t", .state = "running" };
    struct coordinator_client *client = NULL;
    struct coordinator_call *call = NULL;
    struct update_outcome outcome = { 0 };
    struct error err = { 0 };
    uv_loop_t loop;
    char *known;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(coordinator_client_new(&loop, &client, &err), 0);
    assert_string_equal(coordinator_certificates(client, server->url), "");
    assert_int_equal(
        coordinator_update_job(client, &host, &update, on_updated, &outcome, &call, &err), 0);
    while (outcome.status == 0 && uv_run(&loop, UV_RUN_ONCE))
        continue;
    assert_int_equal(outcome.result, want);
    known = mem_strdup(coordinator_certificates(client, server->url));
    coordinator_client_free(client);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return known;
}

static void test_what_proved_the_name_is_kept(void **unused)
{
    autobuf struct buf file = BUF_INIT;
    struct server server = { 0 };
    struct error err = { 0 };
    autofree char *known = NULL;

    (void) unused;
    start_server(&server, "IP:127.0.0.1");
    known = certificates_after_update(&server, UPDATE_OK);
    assert_int_equal(fs_read_file(AT_FDCWD, server.file, 65536, &file, &err), 0);
    assert_string_equal(known, buf_str(&file));
    stop_server(&server);
}

/* Its signature is right, its name is another's. */
static void test_what_did_not_is_not(void **unused)
{
    struct server server = { 0 };
    autofree char *known = NULL;

    (void) unused;
    start_server(&server, "DNS:elsewhere.example");
    known = certificates_after_update(&server, UPDATE_FAILED);
    assert_string_equal(known, "");
    stop_server(&server);
}

static void test_each_host_has_its_own(void **unused)
{
    struct chain *list = NULL, *first = chain_of(&list, "https://h/gitlab");

    (void) unused;
    assert_ptr_equal(chain_of(&list, "https://h/other?x"), first);
    assert_ptr_not_equal(chain_of(&list, "https://h:8443/gitlab"), first);
    assert_ptr_not_equal(chain_of(&list, "https://h2"), first);
    assert_null(chain_find(list, "https://h3"));
    chain_free_all(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_proved_the_name_is_kept),
        cmocka_unit_test(test_what_did_not_is_not),
        cmocka_unit_test(test_each_host_has_its_own),
    };

    (void) signal(SIGPIPE, SIG_IGN); /* of the server's that is not trusted */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
