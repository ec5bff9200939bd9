/* tests/fuzz/ssh_peer.h - the server's end of SSH's transport (RFC 4253) for fuzz_ssh_channel.c, which decides what
 * each packet holds: a library would send nothing that is wrong.
 *
 * It never blocks, its keys are fixed, and it believes the client, which is not what is tried here. One set of
 * algorithms: curve25519-sha256, ssh-ed25519, aes256-ctr, hmac-sha2-256.
 */
#pragma once

#include <openssl/evp.h>
#include <string.h>

#include "core/base/buf.h"

/* One direction; before the first keys `cipher` is NULL. */
struct ssh_peer_way {
    EVP_CIPHER_CTX *cipher;
    uint32_t packets;
    unsigned char mac_key[32];
};

struct ssh_peer {
    int fd;
    struct buf in, out;
    struct buf greeting, client_kexinit;
    bool begun;       /* the first block of `in` is decrypted */
    bool hung_up;     /* the client has */
    bool established; /* packets pass under keys, both ways */
    struct ssh_peer_way from_client, to_client, next_from_client;
};

/* Greets. `fd` stays the caller's and does not block. */
void ssh_peer_init(struct ssh_peer *peer, int fd);
void ssh_peer_done(struct ssh_peer *peer);

/* Reads what came; true with the next packet's payload, key exchange apart. */
bool ssh_peer_receive(struct ssh_peer *peer, struct buf *ret_payload);
void ssh_peer_send(struct ssh_peer *peer, const void *payload, size_t len);
/* Bytes that are no packet. */
void ssh_peer_send_bytes(struct ssh_peer *peer, const void *bytes, size_t len);
/* Passes on what the socket takes; true when it was everything. */
bool ssh_peer_flush(struct ssh_peer *peer);

/* SSH's encoding. */
void ssh_peer_put_u32(struct buf *out, uint32_t number);
void ssh_peer_put(struct buf *out, const void *data, size_t len);
static inline void ssh_peer_put_text(struct buf *out, const char *text)
{
    ssh_peer_put(out, text, strlen(text));
}

/* Aborts with a sentence when it does not hold. */
void ssh_peer_require(bool holds, const char *what);
