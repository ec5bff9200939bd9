/* reach.h - how an instance is reached: what the files about it share.
 *
 * connect.c puts the parts together: what instances.get says (instance.c) and the project (project.c), the instance's
 * metadata (metadata.c) with its SSH keys (ssh_keys.c, metadata_keys.c) and its requests for passwords of Windows
 * (windows_keys.c, windows_password.c, password_key.c), OS Login (oslogin.c), host keys (host_keys.c). What was learnt
 * is remembered for each instance (reach.c), because the host asks again and again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flotilla/provider.h>
#include <json-c/json.h>
#include <openssl/types.h>

#include "gcp.h"
#include "sdk/lib/host_key_store.h"
#include "sdk/lib/host_keys.h"

#define SOON_MS 1000 /* something that was asked for comes up within seconds */
#define KEY_LIFE_S                                                                                 \
    (24 * 60 * 60) /* of a key that is brought to an instance; half of it must be left */

/* metadata.c - pure; takes NULL for metadata that are empty */
enum metadata_flag { METADATA_UNSAID, METADATA_ON, METADATA_OFF };
/* NULL when there is no such item. */
const char *metadata_value(struct json_object *metadata, const char *key);
enum metadata_flag metadata_flag(struct json_object *metadata, const char *key);
/* The switches of Google's that decide how an instance is reached. */
enum metadata_switch { OS_LOGIN, GUEST_ATTRIBUTES, WINDOWS_SSH, SWITCHES };
void metadata_switches(struct json_object *metadata, enum metadata_flag ret[SWITCHES]);
/* The body of setMetadata: everything as it was, but for this item. */
struct json_object *metadata_with(struct json_object *metadata, const char *key, const char *value);

/* ssh_keys.c - pure; takes NULL for an item that is not there; times in seconds since 1970 */
/* Until when the key lets that user in; 0 = it does not; INT64_MAX = without end. */
int64_t ssh_keys_until(const char *value, const char *user, const char *public_line);
/* The item with that key until then, and without keys of ours that have ended. The caller frees; NULL without memory. */
char *ssh_keys_with(const char *value, const char *user, const char *public_line, int64_t until_s,
                    int64_t now_s);

/* windows_keys.c - pure; the same for requests for passwords */
#define WINDOWS_NUMBER_MAX 700 /* base64 of 512 bytes */
struct windows_key {
    const char *user;
    char modulus[WINDOWS_NUMBER_MAX], exponent[WINDOWS_NUMBER_MAX];
};
/* Fills in the numbers of an RSA key; false when it has others. */
bool windows_key_numbers(EVP_PKEY *key, struct windows_key *ret);
int64_t windows_keys_until(const char *value, const struct windows_key *key);
char *windows_keys_with(const char *value, const struct windows_key *key, int64_t until_s,
                        int64_t now_s);
/* What the agent has answered: "encryptedPassword", or else "errorMessage"; NULL = nothing yet. json_object_put() it. */
struct json_object *windows_answer(const char *contents, const struct windows_key *key);

/* instance.c - pure */
/* Texts are the answer's; NULL where it has none. */
struct instance_facts {
    const char *ipv4, *external_ipv4, *ipv6, *external_ipv6, *arch;
    bool windows;
    int64_t made_ms; /* wall clock; 0 = it does not say */
    enum metadata_flag switches[SWITCHES];
};
struct instance_facts instance_read(struct json_object *instance);

/* reach.c */
#define ADDRESS_SIZE 64

/* What is remembered of an instance, as long as it lives. Secrets are wiped. */
struct reach {
    struct reach *next;
    char id[GCP_ID_SIZE];
    int64_t asked_at_ms; /* monotonic; 0 = its facts are to be asked for */
    char address[ADDRESS_SIZE], external_address[ADDRESS_SIZE];
    const char *arch; /* static */
    bool windows;
    int64_t made_ms; /* wall clock */
    enum metadata_flag switches[SWITCHES];

    char *key, *public_line; /* made for it, */
    int64_t key_until_s;     /* and in its metadata until then; 0 = not yet */
    unsigned key_asks;       /* since it was sent; 0 = it was not */

    char *password;
    int64_t password_until_s; /* so long its answer is waited for; 0 = not asked for */
};

/* Of OS Login, for all instances. */
struct account_login {
    char user[128]; /* "" = not known yet */
    char *key, *public_line;
    int64_t until_s; /* 0 = not made yet */
};

struct reaches {
    struct reach *first;
    size_t n;

    /* What holds for all of them: the project's switches, the account's login, */
    enum metadata_flag switches[SWITCHES];
    int64_t switches_at_ms; /* monotonic; 0 = never */
    struct flt_host_key_store host_keys;
    bool without_host_keys; /* instances have been seen that publish none in time */
    struct account_login account;
    EVP_PKEY *password_key; /* and what passwords of Windows are encrypted with */
};
/* NULL without memory. */
struct reach *reaches_get(struct flt_group *g, const char *id);

/* What is on its way to the host. */
struct way {
    const char *id;
    char name[GCP_NAME_MAX + 1], path[GCP_PATH_SIZE];
    struct reach *reach;
    struct json_object *instance; /* as this call has asked; NULL = it has not */
    struct flt_connect_info info;
    struct flt_host_keys host_keys;
};

/* connect.c */
/* Asks for the instance and reads its facts; FLT_E_NOT_READY or FLT_E_NOT_FOUND, with a sentence, when it does not run. */
int32_t way_look(struct flt_group *g, struct way *way);

/* metadata_set.c */
typedef char *(*metadata_change)(void *arg, const char *value);
/* Changes an item of the instance's metadata: `change` makes the new value of the old one (NULL = there was none), again
 * where others have changed them meanwhile. What fails is said, but for a right that is missing: that is in
 * *ret_denied. */
int32_t metadata_set(struct flt_group *g, struct way *way, const char *key, metadata_change change,
                     void *arg, struct flt_google_error *ret_denied);

/* oslogin_profile.c - pure */
/* A key of ours, as the service takes it. */
struct json_object *oslogin_key(const char *public_line, int64_t until_s);
bool oslogin_has_ended(struct json_object *key, int64_t now_s); /* only ours */
/* The account's name on Linux; NULL when it has none. */
const char *oslogin_user(struct json_object *profile);

/* metadata_keys.c, oslogin.c: these fill in the user, the key and its end. */
int32_t metadata_key_login(struct flt_group *g, struct way *way);
int32_t oslogin_login(struct flt_group *g, struct way *way);

/* project.c */
/* What the instance says, else its project. METADATA_UNSAID = the project may not be asked. */
int32_t project_switch(struct flt_group *g, const struct reach *reach, enum metadata_switch which,
                       enum metadata_flag *ret);

/* windows_password.c */
int32_t windows_password_login(struct flt_group *g, struct way *way);

/* password_key.c */
/* Borrowed; NULL with a sentence said. */
EVP_PKEY *password_key(struct flt_group *g);

/* guest_keys.c - pure */
#define GUEST_KEYS "hostkeys" /* where the guest agent publishes them */
/* An array of "TYPE KEY". */
struct json_object *guest_keys_read(struct json_object *attributes);

/* host_keys.c */
int32_t host_keys_find(struct flt_group *g, struct way *way);
