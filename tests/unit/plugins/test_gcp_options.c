/* tests/unit/plugins/test_gcp_options.c - plugins/gcp: what a wrong configuration is told, before anybody is asked. argv:
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

#define GROUP "\"name\": \"g\", \"project\": \"p-1\", \"endpoint\": \"http://127.0.0.1:1\""
#define GOOD GROUP ", \"zone\": \"europe-west1-c\""

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
        { "{}", "{}", "plugin_config.name is missing: the name of the managed instance group" },
        { "{\"name\": \"g\"}", "{}", "plugin_config.project is missing" },
        { "{\"name\": \"\"}", "{}", "plugin_config.name must be the name of a managed" },
        { "{\"name\": \"G\"}", "{}", "plugin_config.name must be" },
        { "{\"name\": \"1g\"}", "{}", "plugin_config.name must be" },
        { "{\"name\": \"g/../h\"}", "{}", "plugin_config.name must be" },
        { "{" GOOD ", \"project\": \"p/q\"}", "{}", "plugin_config.project must be" },
        { "{" GOOD ", \"project\": 7}", "{}", "plugin_config.project must be" },
        { "{" GOOD ", \"zone\": \"a/b\"}", "{}", "plugin_config.zone must be a zone" },
        { "{" GROUP "}", "{}", "plugin_config needs either zone" },
        { "{" GOOD ", \"region\": \"europe-west1\"}", "{}", "(of a regional one), not both" },
        { "{" GOOD ", \"addresses\": \"dns\"}", "{}",
          "plugin_config.addresses must be \"ipv4\" or \"ipv6\"" },
        { "{" GOOD ", \"push_keys\": 1}", "{}", "plugin_config.push_keys must be true or false" },
        { "{" GOOD ", \"price_per_hour\": \"free\"}", "{}",
          "plugin_config.price_per_hour must be" },
        { "{" GOOD ", \"push_keys\": false}", "{}", "connector_config needs key_path or password" },
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

static void test_what_is_right_gets_as_far_as_the_credentials(void **state)
{
    static const struct {
        const char *config, *connector;
    } rows[] = {
        { "{" GOOD "}", "{}" },
        { "{" GROUP ", \"region\": \"europe-west1\", \"project\": \"example.com:p\"}", "{}" },
        { "{" GOOD ", \"addresses\": \"ipv6\", \"minimum_life\": \"1m\"}",
          "{\"username\": \"ci\"}" },
        { "{" GOOD ", \"push_keys\": false}", "{\"password\": \"x\"}" },
        { "{" GOOD ", \"push_keys\": false}", "{\"use_static_credentials\": true}" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_call call;
        int32_t code = try_open(&call, rows[i].config, rows[i].connector);

        if (code == FLT_E_INVALID && strstr(call.fail_text, "_config"))
            fail_msg("%s: %d, %s", rows[i].config, (int) code, call.fail_text);
        assert_int_not_equal(code, FLT_OK);
        fake_call_done(&call);
    }
}

static void test_an_unknown_key_is_a_warning(void **state)
{
    struct fake_call call;

    (void) state;
    (void) try_open(&call, "{" GOOD ", \"zome\": \"x\"}", "{}");
    assert_non_null(strstr(call.log, "1 plugin_config has an unknown key 'zome', ignoring"));
    fake_call_done(&call);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_what_is_right_gets_as_far_as_the_credentials),
        cmocka_unit_test(test_an_unknown_key_is_a_warning),
    };
    const struct flt_provider *(*entry)(void) = NULL;
    void *plugin = dlopen(argc == 2 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);

    if (plugin)
        *(void **) &entry = dlsym(plugin, FLT_PROVIDER_ENTRY);
    if (!entry)
        return 1;
    provider = entry();
    (void) setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
