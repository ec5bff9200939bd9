/* core/job/connect/ssh_algorithms.h - what we negotiate, best first, and nothing else (hardening.md N3). A library
 * that does not know one of them leaves it out.
 *
 * A library that knows GCM or chacha20 knows strict key exchange as well, which makes them safe.
 */
#pragma once

#define SSH_KEX                                                                                    \
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"        \
    "ecdh-sha2-nistp521,diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"              \
    "diffie-hellman-group14-sha256,diffie-hellman-group-exchange-sha256"
#define SSH_CIPHERS                                                                                \
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,"      \
    "aes192-ctr,aes128-ctr"
#define SSH_MACS                                                                                   \
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512"
#define SSH_HOST_KEYS                                                                              \
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"        \
    "rsa-sha2-256"
#define SSH_USER_KEYS SSH_HOST_KEYS
