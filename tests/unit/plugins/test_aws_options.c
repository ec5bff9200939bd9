/* tests/unit/plugins/test_aws_options.c - plugins/aws: what a wrong configuration is told, before anybody is asked. argv:
 * the plugin.
 */

#include "tests/fakes/host_fake.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct flt_provider *provider;

#define GOOD "\"name\": \"g\", \"region\": \"eu-west-1\", \"endpoint\": \"http://127.0.0.1:1\""

static int32_t try_open(struct fake_call *call, const char *config, const char *connector)
{
    flt_group *group = NULL;

    fake_call_init(call, "/nonexistent", 60000);
    fake_call_cancel(call); /* so nobody is asked */
    return provider->open(&fake_host, fake_call_ptr(call), config, connector, &group);
}

static void test_what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *config, *connector, *says;
    } rows[] = {
        { "[]", "{}", "plugin_config is not a JSON object" },
        { "{" GOOD "}", "[]", "connector_config is not a JSON object" },
        { "{}", "{}", "plugin_config.name is missing" },
        { "{\"name\": \"\"}", "{}",
          "plugin_config.name must be the name of an Auto Scaling group" },
        { "{\"name\": 7}", "{}", "plugin_config.name must be" },
        { "{\"name\": \"a\\nb\"}", "{}", "plugin_config.name must be" },
        { "{" GOOD ", \"region\": \"evil.example/\"}", "{}",
          "plugin_config.region must be a region" },
        { "{" GOOD ", \"endpoint\": \"ftp://x\"}", "{}", "plugin_config.endpoint must be a URL" },
        { "{" GOOD ", \"endpoint\": \"http://user@x\"}", "{}", "plugin_config.endpoint must be" },
        { "{" GOOD ", \"endpoint\": \"https://\"}", "{}", "plugin_config.endpoint must be" },
        { "{" GOOD ", \"fips\": \"yes\"}", "{}", "plugin_config.fips must be true or false" },
        { "{" GOOD ", \"minimum_life\": \"5\"}", "{}",
          "plugin_config.minimum_life must be a duration" },
        { "{" GOOD ", \"price_per_hour\": \"free\"}", "{}",
          "plugin_config.price_per_hour must be" },
        { "{" GOOD ", \"price_per_hour\": \"1.\"}", "{}", "plugin_config.price_per_hour must be" },
        { "{" GOOD ", \"price_per_hour\": \"-1\"}", "{}", "plugin_config.price_per_hour must be" },
        { "{" GOOD ", \"price_per_hour\": \"0.0000001\"}", "{}",
          "plugin_config.price_per_hour must be" },
        { "{" GOOD ", \"addresses\": \"ipv5\"}", "{}", "plugin_config.addresses must be \"ipv4\"" },
        { "{" GOOD "}", "{\"os\": 3}", "connector_config.os must be" },
        { "{" GOOD ", \"instance_connect\": false}", "{}",
          "connector_config needs key_path or password" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_call call;
        int32_t code = try_open(&call, rows[i].config, rows[i].connector);

        if (code != FLT_E_INVALID || !strstr(call.fail_text, rows[i].says))
            fail_msg("%s: %d, %s", rows[i].config, (int) code, call.fail_text);
        fake_call_done(&call);
    }
}

static void test_what_is_right_gets_as_far_as_the_cloud(void **state)
{
    static const struct {
        const char *config, *connector;
    } rows[] = {
        { "{" GOOD "}", "{}" },
        { "{" GOOD
          ", \"profile\": \"\", \"price_per_hour\": \"0.0416\", \"minimum_life\": \"24h\", "
          "\"addresses\": \"dns\"}",
          "{\"username\": \"ci\", \"key\": \"no key, but the first call comes before it is "
          "read\"}" },
        { "{" GOOD ", \"instance_connect\": false}", "{\"password\": \"x\"}" },
        { "{" GOOD ", \"instance_connect\": false}", "{\"use_static_credentials\": true}" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_call call;
        int32_t code = try_open(&call, rows[i].config, rows[i].connector);

        if (code != FLT_E_CANCELLED || !strstr(call.log, "region eu-west-1, from ") ||
            !strstr(call.log, "credentials: environment: serves"))
            fail_msg("%s: %d, %s, log %s", rows[i].config, (int) code, call.fail_text, call.log);
        assert_null(strstr(call.log, "secret-of-the-test"));
        fake_call_done(&call);
    }
}

static void test_an_unknown_key_is_a_warning(void **state)
{
    struct fake_call call;

    (void) state;
    (void) try_open(&call, "{" GOOD ", \"regoin\": \"x\"}", "{}");
    assert_non_null(strstr(call.log, "1 plugin_config has an unknown key 'regoin', ignoring"));
    fake_call_done(&call);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_what_is_right_gets_as_far_as_the_cloud),
        cmocka_unit_test(test_an_unknown_key_is_a_warning),
    };
    const struct flt_provider *(*entry)(void) = NULL;
    void *plugin = dlopen(argc == 2 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);

    if (plugin)
        *(void **) &entry = dlsym(plugin, FLT_PROVIDER_ENTRY);
    if (!entry)
        return 1;
    provider = entry();
    (void) setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", 1);
    (void) setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
