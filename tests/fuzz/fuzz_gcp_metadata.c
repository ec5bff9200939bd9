/* tests/fuzz/fuzz_gcp_metadata.c - what Google and people on an instance write into its metadata, its serial port and
 * its guest attributes (plugins/gcp/reach.h): our lines come and go, everybody else's stay, and nothing that can be read
 * breaks a reader. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/gcp/reach.h"
#include "sdk/lib/json.h"

#define NOW INT64_C(1795687200)
#define LATER (NOW + 86400)
#define LINE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl"
#define OURS "flotilla"

static const struct windows_key key = { .user = "ci", .modulus = "m+/=", .exponent = "AQAB" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* What we have not written is there as it was. */
static void require_others(const char *before, const char *after)
{
    for (const char *at = before; *at;) {
        size_t len = strcspn(at, "\n");

        require(len == 0 || memmem(at, len, OURS, strlen(OURS)) ||
                memmem(after, strlen(after), at, len));
        at += len + (at[len] == '\n');
    }
}

static void edit_keys(const char *value)
{
    char *once = ssh_keys_with(value, "ci", LINE, LATER, NOW);
    char *twice = ssh_keys_with(once, "ci", LINE, LATER, NOW);

    require(ssh_keys_until(once, "ci", LINE) >= LATER && strcmp(once, twice) == 0);
    require_others(value, once);
    free(once);
    free(twice);
}

static void edit_requests(const char *value)
{
    char *once = windows_keys_with(value, &key, LATER, NOW);

    require(windows_keys_until(once, &key) >= LATER);
    require_others(value, once);
    free(once);
}

static void read_answer(const char *contents)
{
    struct json_object *answer = windows_answer(contents, &key);

    require(!answer || strcmp(flt_json_text(answer, "modulus"), key.modulus) == 0);
    json_object_put(answer);
}

static void read_instance(struct json_object *instance)
{
    struct json_object *metadata = flt_json_find(instance, "metadata");
    struct json_object *body = metadata_with(metadata, "ssh-keys", "new");
    struct json_object *keys = guest_keys_read(instance);

    (void) instance_read(instance);
    (void) oslogin_user(instance);
    (void) oslogin_has_ended(instance, NOW);
    require(strcmp(metadata_value(body, "ssh-keys"), "new") == 0);
    require(json_object_array_length(keys) <= FLT_HOST_KEYS_MAX);
    json_object_put(keys);
    json_object_put(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *) data, size), error[FLT_ERROR_MAX];
    struct json_object *json = NULL;

    edit_keys(text);
    edit_requests(text);
    read_answer(text);
    if (flt_json_parse((const char *) data, size, &json, error) == 0)
        read_instance(json);
    json_object_put(json);
    free(text);
    return 0;
}
