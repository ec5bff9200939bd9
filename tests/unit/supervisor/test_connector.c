/* tests/unit/supervisor/test_connector.c - mirrors core/supervisor/connector.c: whose word counts, the provider's or the
 * configuration's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/connector.h"

struct login {
    const char *username, *password, *key;
};

static void check(const char *given, bool fixed, struct login want)
{
    struct config_autoscaler settings = { .connector = { .use_static_credentials = fixed } };
    char username[] = "mine";
    struct secret *password = secret_new("my-password", strlen("my-password"));
    struct secret *key = secret_new("my-key", strlen("my-key"));
    autojson json_t *reply = json_tokener_parse(given), *connect = NULL;
    struct login got = { 0 };

    settings.connector.username = username;
    settings.connector.password = password;
    connect = connector_connect(&settings, key, reply);
    assert_non_null(connect);
    (void) json_opt_str(connect, "username", &got.username, NULL);
    (void) json_opt_str(connect, "password", &got.password, NULL);
    (void) json_opt_str(connect, "key", &got.key, NULL);
    assert_string_equal(got.username, want.username);
    assert_string_equal(got.password, want.password);
    assert_string_equal(got.key, want.key);
    secret_free(password);
    secret_free(key);
}

static void test_the_providers_credentials_come_first(void **state)
{
    (void) state;
    check("{\"connect\":{\"address\":\"a\",\"username\":\"theirs\",\"password\":\"p\",\"key\":"
          "\"k\"}}",
          false, (struct login) { "theirs", "p", "k" });
    check("{\"connect\":{\"address\":\"a\"}}", false,
          (struct login) { "mine", "my-password", "my-key" });
}

static void test_static_credentials_are_the_only_ones(void **state)
{
    (void) state;
    check("{\"connect\":{\"address\":\"a\",\"username\":\"theirs\",\"password\":\"p\",\"key\":"
          "\"k\"}}",
          true, (struct login) { "mine", "my-password", "my-key" });
}

static void test_protocol_and_system_are_the_configurations_or_the_providers(void **state)
{
    static const struct {
        const char *settings, *given, *want, *os;
    } cases[] = {
        { "{}", "{}", "ssh", "" },
        { "{}", "{\"os\":\"linux\"}", "ssh", "linux" },
        { "{}", "{\"os\":\"windows\"}", "winrm", "windows" },
        { "{\"os\":\"windows\"}", "{}", "winrm", "windows" },
        { "{\"os\":\"linux\"}", "{\"os\":\"windows\"}", "ssh", "linux" },
        { "{}", "{\"os\":\"windows\",\"protocol\":\"ssh\"}", "ssh", "windows" },
        { "{\"os\":\"windows\"}", "{\"protocol\":\"winrm+https\"}", "winrm+https", "windows" },
        { "{\"protocol\":\"winrm\"}", "{\"protocol\":\"ssh\"}", "winrm", "" },
        { "{\"protocol\":\"\"}", "{\"os\":\"windows\"}", "winrm", "windows" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojson json_t *reply = json_object_new_object(), *connect = NULL;
        struct config_autoscaler settings = { .connector_config =
                                                  json_tokener_parse(cases[i].settings) };
        const char *got = "", *os = "";

        (void) json_add(reply, "connect", json_tokener_parse(cases[i].given));
        connect = connector_connect(&settings, NULL, reply);
        assert_non_null(connect);
        (void) json_opt_str(connect, "protocol", &got, NULL);
        (void) json_opt_str(connect, "os", &os, NULL);
        if (strcmp(got, cases[i].want) != 0 || strcmp(os, cases[i].os) != 0)
            fail_msg("%s and %s: got %s, %s", cases[i].settings, cases[i].given, got, os);
        json_object_put(settings.connector_config);
    }
}

/* Wherever they came from; the plugin is told what the table would have said. */
static void test_the_plugin_is_told_the_secrets_that_came_from_files(void **state)
{
    struct secret *password = secret_from_str("my-password"), *key = secret_from_str("my-key");
    struct config_autoscaler settings = { .connector = { .password = password } };
    autobuf struct buf text = BUF_SECRET;

    (void) state;
    settings.connector_config = json_tokener_parse("{\"username\":\"me\"}");
    assert_int_equal(connector_text(&settings, key, &text), 0);
    assert_string_equal(buf_str(&text),
                        "{\"username\":\"me\",\"key\":\"my-key\",\"password\":\"my-password\"}");
    json_object_put(settings.connector_config);
    secret_free(password);
    secret_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_providers_credentials_come_first),
        cmocka_unit_test(test_static_credentials_are_the_only_ones),
        cmocka_unit_test(test_the_plugin_is_told_the_secrets_that_came_from_files),
        cmocka_unit_test(test_protocol_and_system_are_the_configurations_or_the_providers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
