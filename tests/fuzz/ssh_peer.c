/* tests/fuzz/ssh_peer.c - see the header. */
#include "tests/fuzz/ssh_peer.h"

#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"
#include "core/job/connect/ssh_wire.h"

#define GREETING "SSH-2.0-peer"
#define PACKET_MAX 65536
#define MAC_LEN 32
#define READ_LEN 65536

enum message { KEXINIT = 20, NEWKEYS = 21, KEX_ECDH_INIT = 30, KEX_ECDH_REPLY = 31 };

void ssh_peer_require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_ssh_channel: %s\n", what);
    abort();
}

#define require ssh_peer_require

void ssh_peer_put_u32(struct buf *out, uint32_t number)
{
    const unsigned char bytes[] = { (unsigned char) (number >> 24), (unsigned char) (number >> 16),
                                    (unsigned char) (number >> 8), (unsigned char) number };

    buf_add(out, bytes, sizeof(bytes));
}

void ssh_peer_put(struct buf *out, const void *data, size_t len)
{
    ssh_peer_put_u32(out, (uint32_t) len);
    buf_add(out, data, len);
}

/* Packets. */

static void add_mac(const struct ssh_peer_way *way, const void *packet, size_t len, struct buf *out)
{
    autobuf struct buf text = BUF_INIT;
    unsigned char mac[MAC_LEN];
    unsigned size = sizeof(mac);

    ssh_peer_put_u32(&text, way->packets);
    buf_add(&text, packet, len);
    require(HMAC(EVP_sha256(), way->mac_key, sizeof(way->mac_key), (unsigned char *) text.data,
                 text.len, mac, &size) != NULL,
            "memory");
    buf_add(out, mac, size);
}

static void apply(const struct ssh_peer_way *way, char *data, size_t len)
{
    int n = 0;

    if (way->cipher)
        require(EVP_CipherUpdate(way->cipher, (unsigned char *) data, &n, (unsigned char *) data,
                                 (int) len) == 1,
                "the cipher");
}

void ssh_peer_send(struct ssh_peer *peer, const void *payload, size_t len)
{
    static const char zeros[32];
    struct ssh_peer_way *way = &peer->to_client;
    size_t block = way->cipher ? 16 : 8, padding = block - (len + 5) % block;
    autobuf struct buf packet = BUF_INIT, mac = BUF_INIT;

    if (padding < 4)
        padding += block;
    ssh_peer_put_u32(&packet, (uint32_t) (1 + len + padding));
    buf_add_char(&packet, (char) padding);
    buf_add(&packet, payload, len);
    buf_add(&packet, zeros, padding);
    if (way->cipher)
        add_mac(way, packet.data, packet.len, &mac);
    apply(way, packet.data, packet.len);
    buf_add(&peer->out, packet.data, packet.len);
    buf_add(&peer->out, buf_str(&mac), mac.len);
    way->packets++;
}

void ssh_peer_send_bytes(struct ssh_peer *peer, const void *bytes, size_t len)
{
    buf_add(&peer->out, bytes, len);
}

/* Takes a packet off `in`; false when it has not come to its end. */
static bool take_packet(struct ssh_peer *peer, struct buf *payload)
{
    const struct ssh_peer_way *way = &peer->from_client;
    size_t block = way->cipher ? 16 : 8, whole, padding;
    struct ssh_wire wire;
    uint32_t len = 0;

    if (peer->in.len < block)
        return false;
    if (!peer->begun)
        apply(way, peer->in.data, block);
    peer->begun = true;
    wire = (struct ssh_wire) { (unsigned char *) peer->in.data, block };
    require(ssh_wire_u32(&wire, &len) && len >= block - 4 && len <= PACKET_MAX,
            "the client's packet has an odd length");
    whole = 4 + (size_t) len;
    if (peer->in.len < whole + (way->cipher ? MAC_LEN : 0))
        return false;
    apply(way, peer->in.data + block, whole - block);
    padding = (unsigned char) peer->in.data[4];
    require(padding < len, "the client's packet has an odd padding");
    buf_clear(payload);
    buf_add(payload, peer->in.data + 5, len - padding - 1);
    buf_consume(&peer->in, whole + (way->cipher ? MAC_LEN : 0));
    peer->begun = false;
    return true;
}

/* Keys. */

static EVP_PKEY *fixed_key(int type)
{
    static const unsigned char secret[32] = "flotilla fuzz: not a secret key";
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, secret, sizeof(secret));

    require(key != NULL, "memory");
    return key;
}

static void public_part(EVP_PKEY *key, unsigned char ret[32])
{
    size_t len = 32;

    require(EVP_PKEY_get_raw_public_key(key, ret, &len) == 1 && len == 32, "a public key");
}

/* The shared secret, as a number. */
static void agree(EVP_PKEY *ours, const struct ssh_wire *theirs, struct buf *out)
{
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs->at, theirs->left);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    unsigned char secret[33] = { 0 };
    size_t len = 32, zeros = 1;

    require(peer && ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                EVP_PKEY_derive(ctx, secret + 1, &len) == 1,
            "the client's key");
    while (zeros < 32 && secret[zeros] == 0)
        zeros++;
    if (secret[zeros] & 0x80)
        zeros--;
    ssh_peer_put(out, secret + zeros, sizeof(secret) - zeros);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
}

static void sign(EVP_PKEY *key, const unsigned char hash[SHA256_DIGEST_LENGTH], struct buf *out)
{
    autobuf struct buf blob = BUF_INIT;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[64];
    size_t len = sizeof(signature);

    require(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(ctx, signature, &len, hash, SHA256_DIGEST_LENGTH) == 1,
            "a signature");
    EVP_MD_CTX_free(ctx);
    ssh_peer_put_text(&blob, "ssh-ed25519");
    ssh_peer_put(&blob, signature, len);
    ssh_peer_put(out, blob.data, blob.len);
}

/* RFC 4253 7.2; the first exchange is the only one, so that its hash is the session's name, too. */
static void derive(const struct buf *secret, const unsigned char hash[SHA256_DIGEST_LENGTH],
                   char letter, unsigned char ret[SHA256_DIGEST_LENGTH])
{
    autobuf struct buf text = BUF_INIT;

    buf_add(&text, secret->data, secret->len);
    buf_add(&text, hash, SHA256_DIGEST_LENGTH);
    buf_add_char(&text, letter);
    buf_add(&text, hash, SHA256_DIGEST_LENGTH);
    (void) SHA256((unsigned char *) text.data, text.len, ret);
}

/* `letters`: of the initial vector, the key, the code's key. */
static void key_way(struct ssh_peer_way *way, const struct buf *secret, const unsigned char *hash,
                    const char *letters)
{
    unsigned char iv[SHA256_DIGEST_LENGTH], key[SHA256_DIGEST_LENGTH];

    derive(secret, hash, letters[0], iv);
    derive(secret, hash, letters[1], key);
    derive(secret, hash, letters[2], way->mac_key);
    way->cipher = EVP_CIPHER_CTX_new();
    require(way->cipher && EVP_CipherInit_ex(way->cipher, EVP_aes_256_ctr(), NULL, key, iv, 1) == 1,
            "memory");
}

static void add_kexinit(struct buf *out)
{
    static const char *const lists[] = {
        "curve25519-sha256", "ssh-ed25519", "aes256-ctr", "aes256-ctr", "hmac-sha2-256",
        "hmac-sha2-256",     "none",        "none",       "",           ""
    };
    static const char cookie[16];

    buf_add_char(out, KEXINIT);
    buf_add(out, cookie, sizeof(cookie));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        ssh_peer_put_text(out, lists[i]);
    buf_add_char(out, 0);
    ssh_peer_put_u32(out, 0);
}

static void add_host_key(EVP_PKEY *key, struct buf *out)
{
    autobuf struct buf blob = BUF_INIT;
    unsigned char public[32];

    public_part(key, public);
    ssh_peer_put_text(&blob, "ssh-ed25519");
    ssh_peer_put(&blob, public, sizeof(public));
    ssh_peer_put(out, blob.data, blob.len);
}

/* The client has named its key: ours, the signature, and from here on the keys. */
static void exchange_keys(struct ssh_peer *peer, const struct ssh_wire *client_key)
{
    autobuf struct buf hashed = BUF_INIT, secret = BUF_INIT, kexinit = BUF_INIT, key = BUF_INIT;
    autobuf struct buf reply = BUF_INIT;
    EVP_PKEY *host = fixed_key(EVP_PKEY_ED25519), *ours = fixed_key(EVP_PKEY_X25519);
    unsigned char public[32], hash[SHA256_DIGEST_LENGTH];

    add_kexinit(&kexinit);
    add_host_key(host, &key);
    public_part(ours, public);
    agree(ours, client_key, &secret);
    ssh_peer_put(&hashed, peer->greeting.data, peer->greeting.len);
    ssh_peer_put_text(&hashed, GREETING);
    ssh_peer_put(&hashed, peer->client_kexinit.data, peer->client_kexinit.len);
    ssh_peer_put(&hashed, kexinit.data, kexinit.len);
    buf_add(&hashed, key.data, key.len);
    ssh_peer_put(&hashed, client_key->at, client_key->left);
    ssh_peer_put(&hashed, public, sizeof(public));
    buf_add(&hashed, secret.data, secret.len);
    (void) SHA256((unsigned char *) hashed.data, hashed.len, hash);
    buf_add_char(&reply, KEX_ECDH_REPLY);
    buf_add(&reply, key.data, key.len);
    ssh_peer_put(&reply, public, sizeof(public));
    sign(host, hash, &reply);
    ssh_peer_send(peer, reply.data, reply.len);
    ssh_peer_send(peer, (const char[]) { NEWKEYS }, 1);
    key_way(&peer->next_from_client, &secret, hash, "ACE");
    key_way(&peer->to_client, &secret, hash, "BDF");
    EVP_PKEY_free(ours);
    EVP_PKEY_free(host);
}

/* False: the packet is none of the first key exchange. A second one is not had. */
static bool take_key_exchange(struct ssh_peer *peer, const struct buf *payload)
{
    struct ssh_wire wire = { (unsigned char *) payload->data + 1, payload->len - 1 }, key = { 0 };

    if (peer->established)
        return false;
    switch (payload->data[0]) {
    case KEXINIT:
        buf_add(&peer->client_kexinit, payload->data, payload->len);
        break;
    case KEX_ECDH_INIT:
        require(ssh_wire_string(&wire, &key), "the client's key exchange");
        exchange_keys(peer, &key);
        break;
    case NEWKEYS:
        peer->next_from_client.packets = peer->from_client.packets;
        peer->from_client = peer->next_from_client;
        peer->established = true;
        break;
    }
    return true;
}

static bool take_greeting(struct ssh_peer *peer)
{
    const char *end = peer->in.len > 0 ? memchr(peer->in.data, '\n', peer->in.len) : NULL;

    if (!end)
        return false;
    buf_add(&peer->greeting, peer->in.data, (size_t) (end - peer->in.data) - 1);
    buf_consume(&peer->in, (size_t) (end + 1 - peer->in.data));
    return true;
}

void ssh_peer_init(struct ssh_peer *peer, int fd)
{
    autobuf struct buf kexinit = BUF_INIT;

    *peer = (struct ssh_peer) { .fd = fd };
    add_kexinit(&kexinit);
    buf_add_str(&peer->out, GREETING "\r\n");
    ssh_peer_send(peer, kexinit.data, kexinit.len);
}

void ssh_peer_done(struct ssh_peer *peer)
{
    EVP_CIPHER_CTX_free(peer->from_client.cipher);
    EVP_CIPHER_CTX_free(peer->to_client.cipher);
    if (!peer->established)
        EVP_CIPHER_CTX_free(peer->next_from_client.cipher);
    buf_done(&peer->in);
    buf_done(&peer->out);
    buf_done(&peer->greeting);
    buf_done(&peer->client_kexinit);
}

bool ssh_peer_receive(struct ssh_peer *peer, struct buf *ret_payload)
{
    static char piece[READ_LEN];
    ssize_t n = recv(peer->fd, piece, sizeof(piece), 0);

    peer->hung_up = peer->hung_up || n == 0;
    if (n > 0)
        buf_add(&peer->in, piece, (size_t) n);
    if (peer->greeting.len == 0 && !take_greeting(peer))
        return false;
    while (take_packet(peer, ret_payload)) {
        require(ret_payload->len > 0, "the client sends a packet without a message");
        if (!take_key_exchange(peer, ret_payload))
            return true;
    }
    return false;
}

bool ssh_peer_flush(struct ssh_peer *peer)
{
    ssize_t n = 1;

    while (peer->out.len > 0 && n > 0) {
        n = send(peer->fd, peer->out.data, peer->out.len, MSG_NOSIGNAL);
        if (n > 0)
            buf_consume(&peer->out, (size_t) n);
    }
    return peer->out.len == 0;
}
