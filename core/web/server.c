/* core/web/server.c - listens on an address, hands connections to libwebsockets, and ends it all.
 *
 * We listen ourselves, so that there is a sentence when it fails, and so that the limits hold before anything of a
 * client's is read. libwebsockets runs on the caller's loop; what it holds there is closed in turns of the loop, and
 * only then may the rest of it go. */
#include "core/web/server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/internal.h"

#define LOG_TOPIC "web"
#include "core/base/log.h"

#define BACKLOG 128
#define ACCEPTS_PER_TURN 16
#define PAUSE_MS 1000
#define LAST_TURNS 4 /* sockets, then timers, each in a turn of its own; and one more */

/* TLS (hardening.md N8). */

static X509 *next_certificate(BIO *file)
{
    return PEM_read_bio_X509(file, NULL, NULL, NULL);
}

static int use_chain(SSL_CTX *tls, BIO *file)
{
    X509 *one = next_certificate(file);
    int ok = one && SSL_CTX_use_certificate(tls, one) == 1;

    X509_free(one);
    while (ok && (one = next_certificate(file))) {
        ok = SSL_CTX_add1_chain_cert(tls, one) == 1;
        X509_free(one);
    }
    ERR_clear_error(); /* of the end of the file */
    return ok;
}

static int ask_nobody(char *buf, int size, int writing, void *arg)
{
    (void) buf;
    (void) size;
    (void) writing;
    (void) arg;
    return -1;
}

static int use_key(SSL_CTX *tls, BIO *file)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, ask_nobody, NULL);
    int ok = key && SSL_CTX_use_PrivateKey(tls, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

static int with_text(SSL_CTX *tls, const struct secret *text, int (*use)(SSL_CTX *tls, BIO *file))
{
    BIO *file = BIO_new_mem_buf(secret_reveal(text), (int) secret_len(text));
    int ok = file && use(tls, file);

    BIO_free(file);
    return ok;
}

int web_server_load_certificate(struct web_server *server, void *tls)
{
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1)
        return error_set(server->start_error, -EIO, "TLS 1.2 is not to be had");
    if (!with_text(tls, server->certificate, use_chain))
        return error_set(server->start_error, -EINVAL,
                         "the certificate's file holds no certificate in PEM");
    if (!with_text(tls, server->key, use_key))
        return error_set(
            server->start_error, -EINVAL,
            "the key's file holds no private key in PEM without a passphrase that belongs to the "
            "certificate");
    return 0;
}

/* Listening. */

static int open_socket(struct web_server *server, const struct sockaddr_storage *address)
{
    socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int on = 1, off = 0,
        fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    server->listen_fd = fd;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Every address of the machine, of both families. */
    if (address->ss_family == AF_INET6)
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *) address, size) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    size = sizeof(server->address);
    return getsockname(fd, (struct sockaddr *) &server->address, &size) < 0 ? -errno : 0;
}

static int listen_on(struct web_server *server, struct error *err)
{
    const struct sockaddr_storage *address = &server->options.address;
    struct sockaddr_storage ipv4;
    char text[ADDRESS_TEXT_SIZE];
    int r = open_socket(server, address);

    /* "All" on a machine without IPv6. */
    if (r == -EAFNOSUPPORT && address_parse("0.0.0.0", address_port(address), &ipv4) == 0)
        r = open_socket(server, &ipv4);
    if (r == 0)
        return 0;
    address_format(address, text);
    return error_errno(err, r, "%s can't be listened on", text);
}

static void on_listener(uv_poll_t *listener, int status, int events);

static void listen_again(struct web_server *server)
{
    if (server->closing || !server->paused || server->n_connections >= WEB_CONNECTIONS_MAX)
        return;
    server->paused = false;
    (void) uv_poll_start(&server->listener, UV_READABLE, on_listener);
}

static void on_pause_over(uv_timer_t *timer)
{
    listen_again(timer->data);
}

/* Whoever wants to connect waits in the system's queue. */
static void pause_listening(struct web_server *server)
{
    server->paused = true;
    (void) uv_poll_stop(&server->listener);
}

static void on_listener(uv_poll_t *listener, int status, int events)
{
    struct web_server *server = listener->data;

    (void) status;
    (void) events;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd;

        if (server->n_connections >= WEB_CONNECTIONS_MAX) {
            pause_listening(server);
            return;
        }
        fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            log_warning("a connection can't be taken: %s, retrying in 1 s", strerror(errno));
            pause_listening(server);
            (void) uv_timer_start(&server->pause, on_pause_over, PAUSE_MS, 0);
        }
        if (fd < 0)
            return;
        /* One that fails is closed there. */
        (void) lws_adopt_socket_vhost(server->vhost, fd);
    }
}

void web_server_connection_ended(struct web_server *server)
{
    if (!uv_is_active((const uv_handle_t *) &server->pause))
        listen_again(server);
}

/* libwebsockets. */

static void on_lws_log(int level, const char *line)
{
    (void) level;
    log_debug("libwebsockets: %.*s", (int) strcspn(line, "\n"), line);
}

static struct lws_protocols *list_protocols(const char *const *names)
{
    size_t n = 0;
    struct lws_protocols *protocols;

    while (names && names[n])
        n++;
    protocols = mem_array(n + 2, sizeof(*protocols));
    for (size_t i = 0; protocols && i < n + 1; i++)
        protocols[i] = (struct lws_protocols) { .name = i == 0 ? "http" : names[i - 1],
                                                .callback = web_connection_event,
                                                .rx_buffer_size = WEB_PIECE_MAX };
    return protocols;
}

static int start_context(struct web_server *server, struct error *err)
{
    void *loops[] = { server->loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = server->protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .gid = -1,
        .uid = -1,
        .user = server,
        .server_string = "flotilla",
        .alpn = "http/1.1",
        .max_http_header_data = WEB_HEADERS_MAX,
        .max_http_header_pool = WEB_CONNECTIONS_MAX,
        .fd_limit_per_thread = WEB_CONNECTIONS_MAX + 8,
        .pt_serv_buf_size = WEB_PIECE_MAX,
    };

    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    if (server->certificate)
        info.options |=
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
    server->context = lws_create_context(&info);
    if (!server->context)
        return error_set(err, -EIO,
                         "libwebsockets does not start; is libwebsockets-evlib-uv installed?");
    server->start_error = err;
    server->vhost = lws_create_vhost(server->context, &info);
    server->start_error = NULL;
    if (server->vhost)
        return 0;
    return err->code != 0 ? err->code : error_set(err, -EIO, "libwebsockets does not start");
}

/* The end. */

static void stop_listening(struct web_server *server)
{
    if (server->listen_fd >= 0)
        (void) close(take_fd(&server->listen_fd));
}

static void free_server(struct web_server *server)
{
    stop_listening(server);
    secret_free(server->certificate);
    secret_free(server->key);
    secret_free(server->token);
    secret_wipe(&server->visits, sizeof(server->visits));
    free(server->host_names);
    free(server->protocols);
    free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct web_server *server = handle->data;

    if (--server->handles == 0)
        free_server(server);
}

/* libwebsockets closes the descriptor of its own wake-up twice: now, and in the callbacks of this turn's closing, which
 * follow a check at once. So nobody else can have got the number in between. */
static void on_last_turn(uv_check_t *check)
{
    struct web_server *server = check->data;

    if (server->context && server->turns == 0)
        lws_context_destroy(server->context);
    if (++server->turns < LAST_TURNS || server->n_connections > 0)
        return;
    if (server->context)
        lws_context_destroy(server->context);
    uv_close((uv_handle_t *) &server->last, on_handle_closed);
    uv_close((uv_handle_t *) &server->awake, on_handle_closed);
}

static void on_awake(uv_idle_t *idle)
{
    (void) idle;
}

void web_server_close(struct web_server *server)
{
    if (!server || server->closing)
        return;
    server->closing = true;
    for (struct web_request *request = server->requests; request; request = request->next)
        web_request_clear(request);
    uv_close((uv_handle_t *) &server->listener, on_handle_closed);
    stop_listening(server); /* the address is free for another */
    uv_close((uv_handle_t *) &server->pause, on_handle_closed);
    (void) uv_check_start(&server->last, on_last_turn);
    (void) uv_idle_start(&server->awake, on_awake);
}

static int copy_options(struct web_server *server, const struct web_options *options)
{
    server->options = *options;
    server->certificate = secret_from_str(options->certificate);
    server->key = secret_from_str(options->key);
    server->token = options->token ? secret_dup(options->token) : NULL;
    server->host_names = options->host_names ? mem_strdup(options->host_names) : NULL;
    server->protocols = list_protocols(options->subprotocols);
    return server->protocols && !server->certificate == !options->certificate &&
                   !server->key == !options->key && !server->token == !options->token &&
                   !server->host_names == !options->host_names
               ? 0
               : -ENOMEM;
}

static void init_handles(struct web_server *server)
{
    (void) uv_poll_init(server->loop, &server->listener, server->listen_fd);
    (void) uv_timer_init(server->loop, &server->pause);
    (void) uv_check_init(server->loop, &server->last);
    (void) uv_idle_init(server->loop, &server->awake);
    server->listener.data = server->pause.data = server->last.data = server->awake.data = server;
    server->handles = 4;
}

int web_server_start(uv_loop_t *loop, const struct web_options *options, struct web_server **ret,
                     struct error *err)
{
    struct web_server *server = mem_zero(sizeof(*server));
    struct error why = { 0 };
    int r;

    if (!server)
        return error_set(err, -ENOMEM, "out of memory");
    server->loop = loop;
    server->listen_fd = -1;
    r = copy_options(server, options);
    if (r < 0 || (r = listen_on(server, &why)) < 0) {
        free_server(server);
        return error_set(err, r, "%s", r == -ENOMEM ? "out of memory" : why.message);
    }
    init_handles(server);
    r = start_context(server, &why);
    if (r < 0) {
        web_server_close(server);
        return error_set(err, r, "%s", why.message);
    }
    (void) uv_poll_start(&server->listener, UV_READABLE, on_listener);
    *ret = server;
    return 0;
}

const struct sockaddr_storage *web_server_address(const struct web_server *server)
{
    return &server->address;
}
