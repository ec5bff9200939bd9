/* tests/unit/plugins/test_gcp_reach.c - plugins/gcp: the pure parts of how an instance is reached (reach.h). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "plugins/gcp/reach.h"
#include "sdk/lib/json.h"
#include "sdk/lib/text.h"
#include "tests/fakes/host_fake.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define NOW INT64_C(1795687200) /* 2026-11-26T10:00:00Z */
#define HOUR 3600
#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90"
#define OURS(user, key, end)                                                                       \
    user ":" key " google-ssh {\"userName\":\"flotilla\",\"expireOn\":\"" end "\"}"
#define THEIRS(user, key, end)                                                                     \
    user ":" key " google-ssh {\"userName\":\"kim@example.com\",\"expireOn\":\"" end "\"}"

static struct json_object *json_of(const char *text)
{
    struct json_object *object = NULL;
    char error[FLT_ERROR_MAX] = "";

    if (flt_json_parse(text, strlen(text), &object, error) < 0)
        fail_msg("%s: %s", text, error);
    return object;
}

/* Metadata. */

static void test_switches_are_read_as_the_guest_agent_does(void **state)
{
    static const struct {
        const char *items;
        enum metadata_flag want;
    } rows[] = {
        { "[{\"key\":\"enable-oslogin\",\"value\":\"TRUE\"}]", METADATA_ON },
        { "[{\"key\":\"enable-oslogin\",\"value\":\"true\"}]", METADATA_ON },
        { "[{\"key\":\"enable-oslogin\",\"value\":\"1\"}]", METADATA_ON },
        { "[{\"key\":\"enable-oslogin\",\"value\":\"FALSE\"}]", METADATA_OFF },
        { "[{\"key\":\"enable-oslogin\",\"value\":\"0\"}]", METADATA_OFF },
        { "[{\"key\":\"enable-oslogin\",\"value\":\"maybe\"}]", METADATA_UNSAID },
        { "[{\"key\":\"enable-oslogin\"}]", METADATA_UNSAID },
        { "[{\"key\":\"other\",\"value\":\"TRUE\"},{\"key\":\"enable-oslogin\",\"value\":\"T\"}]",
          METADATA_ON },
        { "[]", METADATA_UNSAID },
        { "{}", METADATA_UNSAID },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *metadata = json_object_new_object();
        enum metadata_flag switches[SWITCHES];

        (void) json_object_object_add(metadata, "items", json_of(rows[i].items));
        metadata_switches(metadata, switches);
        if (switches[OS_LOGIN] != rows[i].want || switches[WINDOWS_SSH] != METADATA_UNSAID)
            fail_msg("%s: %d", rows[i].items, switches[OS_LOGIN]);
        json_object_put(metadata);
    }
    assert_int_equal(metadata_flag(NULL, "enable-oslogin"), METADATA_UNSAID);
}

static void test_one_item_changes_and_all_others_stay(void **state)
{
    struct json_object *metadata = json_of(
        "{\"kind\":\"compute#metadata\",\"fingerprint\":\"abc=\",\"items\":["
        "{\"key\":\"startup-script\",\"value\":\"#!/bin/sh\\necho \\\"x\\\"\\n\"},"
        "{\"key\":\"ssh-keys\",\"value\":\"old\"},{\"key\":\"created-by\",\"value\":\"g\"}]}");
    struct json_object *body = metadata_with(metadata, "ssh-keys", "new"), *items;

    (void) state;
    items = flt_json_find(body, "items");
    assert_string_equal(flt_json_text(body, "fingerprint"), "abc=");
    assert_null(flt_json_find(body, "kind"));
    assert_int_equal(json_object_array_length(items), 3);
    assert_string_equal(metadata_value(body, "startup-script"), "#!/bin/sh\necho \"x\"\n");
    assert_string_equal(metadata_value(body, "created-by"), "g");
    assert_string_equal(metadata_value(body, "ssh-keys"), "new");
    assert_string_equal(metadata_value(metadata, "ssh-keys"), "old");
    json_object_put(body);
    json_object_put(metadata);
}

static void test_metadata_without_items_get_their_first(void **state)
{
    struct json_object *metadata = json_of("{\"fingerprint\":\"abc=\"}");
    struct json_object *body = metadata_with(metadata, "ssh-keys", "new");

    (void) state;
    assert_string_equal(metadata_value(body, "ssh-keys"), "new");
    assert_string_equal(flt_json_text(body, "fingerprint"), "abc=");
    json_object_put(body);
    json_object_put(metadata);
}

/* SSH keys. */

static void test_a_key_is_added_and_only_our_ended_ones_go(void **state)
{
    static const struct {
        const char *why, *value, *want;
    } rows[] = {
        { "the first", NULL, OURS("ci", ED, "2026-11-26T11:00:00+0000") },
        { "beside others", "kim:" OTHER " kim\nkim:" ED,
          "kim:" OTHER " kim\nkim:" ED "\n" OURS("ci", ED, "2026-11-26T11:00:00+0000") },
        { "ours that has ended goes", OURS("ci", OTHER, "2026-11-26T09:59:59+0000"),
          OURS("ci", ED, "2026-11-26T11:00:00+0000") },
        { "ours that holds stays", OURS("ci", OTHER, "2026-11-26T10:00:01+0000"),
          OURS("ci", OTHER, "2026-11-26T10:00:01+0000") "\n" OURS("ci", ED,
                                                                  "2026-11-26T11:00:00+0000") },
        { "the same key takes its new end", OURS("ci", ED, "2026-11-26T10:30:00+0000"),
          OURS("ci", ED, "2026-11-26T11:00:00+0000") },
        { "what others left is theirs to remove", THEIRS("kim", OTHER, "2020-01-01T00:00:00+0000"),
          THEIRS("kim", OTHER, "2020-01-01T00:00:00+0000") "\n" OURS("ci", ED,
                                                                     "2026-11-26T11:00:00+0000") },
        { "a line that is no key", "rubbish\n\n",
          "rubbish\n" OURS("ci", ED, "2026-11-26T11:00:00+0000") },
        { "half a comment", "kim:" OTHER " google-ssh {\"userName\":\"flotilla\"",
          "kim:" OTHER
          " google-ssh {\"userName\":\"flotilla\"\n" OURS("ci", ED, "2026-11-26T11:00:00+0000") },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *got = ssh_keys_with(rows[i].value, "ci", ED, NOW + HOUR, NOW);

        if (!got || strcmp(got, rows[i].want) != 0)
            fail_msg("%s:\n%s", rows[i].why, got);
        assert_int_equal(ssh_keys_until(got, "ci", ED), NOW + HOUR);
        free(got);
    }
}

static void test_a_key_holds_as_its_line_says(void **state)
{
    static const struct {
        const char *why, *value;
        int64_t want;
    } rows[] = {
        { "nothing", NULL, 0 },
        { "ours", OURS("ci", ED, "2026-11-26T11:00:00+0000"), NOW + HOUR },
        { "in another zone", OURS("ci", ED, "2026-11-26T12:00:00+0100"), NOW + HOUR },
        { "somebody's", THEIRS("ci", ED, "2026-11-26T11:00:00Z"), NOW + HOUR },
        { "without end", "ci:" ED, INT64_MAX },
        { "without end, with a comment", "ci:" ED " kim@desk", INT64_MAX },
        { "the latest counts", OURS("ci", ED, "2026-11-26T11:00:00+0000") "\nci:" ED, INT64_MAX },
        { "an end that nobody can read", OURS("ci", ED, "soon"), 0 },
        { "another user", OURS("kim", ED, "2026-11-26T11:00:00+0000"), 0 },
        { "a longer user", OURS("xci", ED, "2026-11-26T11:00:00+0000"), 0 },
        { "another key", OURS("ci", OTHER, "2026-11-26T11:00:00+0000"), 0 },
        { "a longer key", "ci:" ED "AA", 0 },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t got = ssh_keys_until(rows[i].value, "ci", ED);

        if (got != rows[i].want)
            fail_msg("%s: %lld", rows[i].why, (long long) got);
    }
}

/* Passwords of Windows. */

static void test_a_password_is_asked_for_in_the_documented_form(void **state)
{
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048), *curve;
    struct windows_key key = { .user = "ci" };
    struct json_object *line;
    char *value;

    (void) state;
    assert_true(windows_key_numbers(rsa, &key));
    assert_string_equal(key.exponent, "AQAB");
    assert_int_equal(strlen(key.modulus), 344); /* 256 bytes, without a sign */
    value = windows_keys_with(NULL, &key, NOW + HOUR, NOW);
    line = json_of(value);
    assert_string_equal(flt_json_text(line, "userName"), "ci");
    assert_string_equal(flt_json_text(line, "modulus"), key.modulus);
    assert_string_equal(flt_json_text(line, "exponent"), key.exponent);
    assert_string_equal(flt_json_text(line, "expireOn"), "2026-11-26T11:00:00Z");
    assert_null(strchr(value, '\n'));
    json_object_put(line);
    free(value);
    curve = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_false(windows_key_numbers(curve, &key));
    EVP_PKEY_free(curve);
    EVP_PKEY_free(rsa);
}

#define ASKED(user, number, end, who)                                                              \
    "{\"userName\":\"" user "\",\"modulus\":\"" number "\",\"exponent\":\"AQAB\",\"email\":\"" who \
    "\",\"expireOn\":\"" end "\"}"

static void test_requests_of_others_stay_and_ours_end(void **state)
{
    static const struct windows_key key = { .user = "ci", .modulus = "mine", .exponent = "AQAB" };
    static const struct {
        const char *why, *value, *want;
    } rows[] = {
        { "ours that has ended goes", ASKED("ci", "mine", "2026-11-26T09:00:00Z", "flotilla"), "" },
        { "ours that holds stays", ASKED("kim", "mine", "2026-11-26T10:30:00Z", "flotilla"),
          ASKED("kim", "mine", "2026-11-26T10:30:00Z", "flotilla") "\n" },
        { "somebody's stays", ASKED("kim", "his", "2020-01-01T00:00:00Z", "kim@example.com"),
          ASKED("kim", "his", "2020-01-01T00:00:00Z", "kim@example.com") "\n" },
        { "what is no request stays", "rubbish\n", "rubbish\n" },
    };
    const char *own = ASKED("ci", "mine", "2026-11-26T11:00:00Z", "flotilla");

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *got = windows_keys_with(rows[i].value, &key, NOW + HOUR, NOW), want[1024];

        (void) snprintf(want, sizeof(want), "%s%s", rows[i].want, own);
        if (!got || strcmp(got, want) != 0)
            fail_msg("%s:\n%s\nnot\n%s", rows[i].why, got, want);
        assert_int_equal(windows_keys_until(got, &key), NOW + HOUR);
        free(got);
    }
    assert_int_equal(windows_keys_until(NULL, &key), 0);
    assert_int_equal(
        windows_keys_until(ASKED("kim", "mine", "2026-11-26T11:00:00Z", "flotilla"), &key), 0);
    assert_int_equal(
        windows_keys_until(ASKED("ci", "his", "2026-11-26T11:00:00Z", "flotilla"), &key), 0);
}

static void test_the_last_answer_to_our_key_and_user_counts(void **state)
{
    static const struct windows_key key = { .user = "ci", .modulus = "m+/=", .exponent = "AQAB" };
    static const struct {
        const char *why, *contents, *password, *message;
    } rows[] = {
        { "nothing", "", NULL, NULL },
        { "a boot", "Ready.\r\n{\"ready\":true}\r\n", NULL, NULL },
        { "ours", "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"encryptedPassword\":\"one\"}\n",
          "one", NULL },
        { "the later one",
          "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"encryptedPassword\":\"one\"}\r\n"
          "{\"userName\":\"ci\",\"modulus\":\"m+\\/=\",\"encryptedPassword\":\"two\"}\r\n",
          "two", NULL },
        { "a failure behind it",
          "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"encryptedPassword\":\"one\"}\n"
          "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"errorMessage\":\"policy\"}\n",
          "one", NULL },
        { "with something in front",
          "2026 GCE: {\"userName\":\"ci\",\"modulus\":\"m+/=\",\"encryptedPassword\":\"one\"}",
          "one", NULL },
        { "another user's",
          "{\"userName\":\"kim\",\"modulus\":\"m+/=\",\"encryptedPassword\":\"one\"}\n", NULL,
          NULL },
        { "for another key",
          "{\"userName\":\"ci\",\"modulus\":\"x\",\"encryptedPassword\":\"one\"}\n", NULL, NULL },
        { "half a line", "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"encryptedPass", NULL, NULL },
        { "a refusal", "{\"userName\":\"ci\",\"modulus\":\"m+/=\",\"errorMessage\":\"policy\"}\n",
          NULL, "policy" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *got = windows_answer(rows[i].contents, &key);
        const char *password = flt_json_text(got, "encryptedPassword");
        const char *message = flt_json_text(got, "errorMessage");

        if ((rows[i].password ? !password || strcmp(password, rows[i].password) != 0
                              : password != NULL) ||
            (rows[i].message ? !message || strcmp(message, rows[i].message) != 0 : message != NULL))
            fail_msg("%s: %s, %s", rows[i].why, password ? password : "nothing",
                     message ? message : "nothing");
        json_object_put(got);
    }
}

/* Instances. */

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_an_instance_tells_its_addresses_and_its_system(void **state)
{
    static const struct {
        const char *why, *text;
        struct instance_facts want;
    } rows[] = {
        { "nothing", "{}", { .arch = "amd64" } },
        { "both IPv4",
          "{\"networkInterfaces\":[{\"networkIP\":\"10.0.0.2\",\"accessConfigs\":"
          "[{\"natIP\":\"203.0.113.1\"}]},{\"networkIP\":\"10.9.9.9\"}],"
          "\"disks\":[{\"boot\":true,\"architecture\":\"X86_64\"}]}",
          { .ipv4 = "10.0.0.2", .external_ipv4 = "203.0.113.1", .arch = "amd64" } },
        { "without a public address",
          "{\"networkInterfaces\":[{\"networkIP\":\"10.0.0.2\",\"accessConfigs\":[{\"natIP\":\"\"}"
          "]}]}",
          { .ipv4 = "10.0.0.2", .arch = "amd64" } },
        { "IPv6",
          "{\"networkInterfaces\":[{\"ipv6Address\":\"fd20::1\",\"ipv6AccessConfigs\":"
          "[{\"externalIpv6\":\"2600:1900::1\"}]}]}",
          { .ipv6 = "fd20::1", .external_ipv6 = "2600:1900::1", .arch = "amd64" } },
        { "Arm", "{\"disks\":[{\"boot\":true,\"architecture\":\"ARM64\"}]}", { .arch = "arm64" } },
        { "a processor that has no name yet",
          "{\"disks\":[{\"boot\":true,\"architecture\":\"RISCV\"}]}",
          { .arch = NULL } },
        { "Windows",
          "{\"disks\":[{\"guestOsFeatures\":[{\"type\":\"GVNIC\"},{\"type\":\"WINDOWS\"}]}]}",
          { .arch = "amd64", .windows = true } },
        { "the disk that boots decides",
          "{\"disks\":[{\"architecture\":\"ARM64\",\"guestOsFeatures\":[{\"type\":\"WINDOWS\"}]},"
          "{\"boot\":true,\"architecture\":\"X86_64\"}]}",
          { .arch = "amd64" } },
        { "its age",
          "{\"creationTimestamp\":\"2026-11-26T02:00:00.250-08:00\"}",
          { .arch = "amd64", .made_ms = NOW * 1000 } },
        { "switches",
          "{\"metadata\":{\"items\":[{\"key\":\"enable-oslogin\",\"value\":\"TRUE\"},"
          "{\"key\":\"enable-guest-attributes\",\"value\":\"FALSE\"}]}}",
          { .arch = "amd64",
            .switches = { [OS_LOGIN] = METADATA_ON, [GUEST_ATTRIBUTES] = METADATA_OFF } } },
        { "in unknown forms",
          "{\"networkInterfaces\":{},\"disks\":\"x\",\"metadata\":[]}",
          { .arch = "amd64" } },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *instance = json_of(rows[i].text);
        struct instance_facts got = instance_read(instance);
        const struct instance_facts *want = &rows[i].want;

        if (!same(got.ipv4, want->ipv4) || !same(got.external_ipv4, want->external_ipv4) ||
            !same(got.ipv6, want->ipv6) || !same(got.external_ipv6, want->external_ipv6) ||
            !same(got.arch, want->arch) || got.windows != want->windows ||
            got.made_ms != want->made_ms ||
            memcmp(got.switches, want->switches, sizeof(got.switches)) != 0)
            fail_msg("%s: %s %s %s %s %s %d", rows[i].why, got.ipv4, got.external_ipv4, got.ipv6,
                     got.external_ipv6, got.arch, got.windows);
        json_object_put(instance);
    }
}

static void test_host_keys_are_those_of_their_namespace(void **state)
{
    static const char type[] = "ssh-ed25519";
    struct json_object *answer =
        json_of("{\"queryValue\":{\"items\":["
                "{\"namespace\":\"hostkeys\",\"key\":\"ssh-ed25519\",\"value\":\""
                "AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl\"},"
                "{\"namespace\":\"other\",\"key\":\"ssh-rsa\",\"value\":\""
                "AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl\"},"
                "{\"namespace\":\"hostkeys\",\"key\":\"ssh-dss\",\"value\":\""
                "AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl\"},"
                "{\"namespace\":\"hostkeys\",\"key\":\"ssh-rsa\",\"value\":\"AAAA\"},"
                "{\"namespace\":\"hostkeys\",\"key\":\"ssh-rsa\",\"value\":\""
                "AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ\"},"
                "{\"namespace\":\"hostkeys\"}]}}");
    struct json_object *keys = guest_keys_read(answer), *none = guest_keys_read(NULL);
    struct flt_connect_info info = { 0 };
    struct flt_host_keys shown;

    (void) state;
    flt_host_keys_show(keys, &shown, &info);
    assert_int_equal(info.n_host_keys, 1);
    assert_string_equal(info.host_keys[0].type, type);
    assert_string_equal(info.host_keys[0].key, &ED[sizeof(type)]);
    assert_int_equal(json_object_array_length(none), 0);
    json_object_put(keys);
    json_object_put(none);
    json_object_put(answer);
}

/* OS Login. */

static void test_the_primary_account_on_linux_is_the_user(void **state)
{
    static const struct {
        const char *why, *profile, *want;
    } rows[] = {
        { "nothing", "{}", NULL },
        { "the only one", "{\"posixAccounts\":[{\"username\":\"sa_1\"}]}", "sa_1" },
        { "the primary one",
          "{\"posixAccounts\":[{\"username\":\"a\"},{\"username\":\"b\",\"primary\":true},"
          "{\"username\":\"c\"}]}",
          "b" },
        { "not of Windows",
          "{\"posixAccounts\":[{\"username\":\"w\",\"primary\":true,"
          "\"operatingSystemType\":\"WINDOWS\"},"
          "{\"username\":\"l\",\"operatingSystemType\":\"LINUX\"}]}",
          "l" },
        { "without a name", "{\"posixAccounts\":[{\"primary\":true},{\"username\":\"\"}]}", NULL },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *profile = json_of(rows[i].profile);
        const char *got = oslogin_user(profile);

        if (!same(got, rows[i].want))
            fail_msg("%s: %s", rows[i].why, got ? got : "nothing");
        json_object_put(profile);
    }
}

static void test_only_our_keys_that_have_ended_are_removed(void **state)
{
    static const struct {
        const char *why, *key;
        bool want;
    } rows[] = {
        { "ours, ended",
          "{\"key\":\"" ED " flotilla\",\"expirationTimeUsec\":\"1795687200000000\"}", true },
        { "ours, holds",
          "{\"key\":\"" ED " flotilla\",\"expirationTimeUsec\":\"1795687201000000\"}", false },
        { "ours, without end", "{\"key\":\"" ED " flotilla\"}", false },
        { "somebody's", "{\"key\":\"" ED " kim\",\"expirationTimeUsec\":\"1\"}", false },
        { "no key", "{}", false },
    };
    struct json_object *made = oslogin_key(ED, NOW);

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *key = json_of(rows[i].key);

        if (oslogin_has_ended(key, NOW) != rows[i].want)
            fail_msg("%s", rows[i].why);
        json_object_put(key);
    }
    assert_string_equal(flt_json_text(made, "key"), ED " flotilla");
    assert_string_equal(flt_json_text(made, "expirationTimeUsec"), "1795687200000000");
    assert_true(oslogin_has_ended(made, NOW));
    json_object_put(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switches_are_read_as_the_guest_agent_does),
        cmocka_unit_test(test_one_item_changes_and_all_others_stay),
        cmocka_unit_test(test_metadata_without_items_get_their_first),
        cmocka_unit_test(test_a_key_is_added_and_only_our_ended_ones_go),
        cmocka_unit_test(test_a_key_holds_as_its_line_says),
        cmocka_unit_test(test_a_password_is_asked_for_in_the_documented_form),
        cmocka_unit_test(test_requests_of_others_stay_and_ours_end),
        cmocka_unit_test(test_the_last_answer_to_our_key_and_user_counts),
        cmocka_unit_test(test_an_instance_tells_its_addresses_and_its_system),
        cmocka_unit_test(test_host_keys_are_those_of_their_namespace),
        cmocka_unit_test(test_the_primary_account_on_linux_is_the_user),
        cmocka_unit_test(test_only_our_keys_that_have_ended_are_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
