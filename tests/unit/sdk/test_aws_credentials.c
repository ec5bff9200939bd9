/* tests/unit/sdk/test_aws_credentials.c - mirrors sdk/lib/aws_credentials.c and the sources that ask no server: which one
 * serves, what is wrong with a profile, when keys are renewed. tests/integration/test_aws_credentials.py asks servers, and
 * botocore the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/aws_credentials.h" /* before cmocka.h, whose fail() is a macro */

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "sdk/lib/text.h"
#include "tests/harness/harness.h"

#define NOW 1795660000

/* A host whose programs hand out numbered keys. */
struct world {
    char *dir;
    int64_t now_s;
    int64_t life_s;    /* of the keys that the next run hands out; 0 = for ever */
    int32_t result;    /* of the next run */
    const char *print; /* by the next run, instead of keys */
    int runs;
    struct buf argv, traced;
};

static int32_t run(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg)
{
    struct world *world = arg;
    char text[512];
    struct flt_utc expires = flt_utc(world->now_s + world->life_s);

    world->runs++;
    buf_clear(&world->argv);
    for (size_t i = 0; argv[i]; i++)
        buf_addf(&world->argv, "<%s>", argv[i]);
    (void) snprintf(text, sizeof(text),
                    "{\"Version\":1,\"AccessKeyId\":\"ID%d\",\"SecretAccessKey\":\"secret\"%s%s%s}",
                    world->runs, world->life_s ? ",\"Expiration\":\"" : "",
                    world->life_s ? expires.extended : "", world->life_s ? "\"" : "");
    if (world->print)
        (void) snprintf(text, sizeof(text), "%s", world->print);
    if (world->result == 0 && sink(sink_arg, text, (uint32_t) strlen(text)) != 0)
        return FLT_E_CANCELLED;
    return world->result;
}

static void take_trace(void *arg, const char *text)
{
    buf_addf(&((struct world *) arg)->traced, "%s\n", text);
}

static int64_t now_s(void *arg)
{
    return ((struct world *) arg)->now_s;
}

static struct flt_aws_settings settings_of(struct world *world)
{
    return (
        struct flt_aws_settings) { .run = run, .trace = take_trace, .now_s = now_s, .arg = world };
}

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
};

static int begin(void **state)
{
    struct world *world = mem_zero(sizeof(*world));
    autofree char *aws = NULL;

    assert_non_null(world);
    world->now_s = NOW;
    world->dir = harness_temp_dir();
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        (void) unsetenv(variables[i]);
    (void) setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void) setenv("HOME", world->dir, 1);
    aws = harness_path(world->dir, "config");
    (void) setenv("AWS_CONFIG_FILE", aws, 1);
    free(aws);
    aws = harness_path(world->dir, "credentials");
    (void) setenv("AWS_SHARED_CREDENTIALS_FILE", aws, 1);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;

    harness_remove_dir(world->dir);
    buf_done(&world->argv);
    buf_done(&world->traced);
    free(world);
    return 0;
}

static void write_process(const struct world *world)
{
    harness_write(world->dir, "config", "[default]\ncredential_process = /bin/keys\n");
}

/* The id of the keys, or the sentence. */
static const char *id_of(struct flt_aws_chain *chain)
{
    static char error[FLT_ERROR_MAX];
    const struct flt_aws_keys *keys = NULL;

    return flt_aws_chain_keys(chain, NULL, NULL, &keys, error) == FLT_OK ? keys->access_key : error;
}

/* The same of a chain that is asked once. */
static const char *ask(struct world *world, int32_t want)
{
    static char text[FLT_ERROR_MAX * 2];
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);
    const struct flt_aws_keys *keys = NULL;
    char error[FLT_ERROR_MAX] = "";

    buf_clear(&world->traced);
    if (flt_aws_chain_keys(chain, NULL, NULL, &keys, error) != want)
        fail_msg("another result: %s", *error ? error : keys->source);
    (void) snprintf(text, sizeof(text), "%s%s%s", want == FLT_OK ? keys->access_key : error,
                    want == FLT_OK ? " " : "", want == FLT_OK ? keys->source : "");
    flt_aws_chain_free(chain);
    return text;
}

static void test_the_environment_goes_before_the_files(void **state)
{
    struct world *world = *state;

    harness_write(world->dir, "credentials",
                  "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    (void) setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    (void) setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    assert_string_equal(ask(world, FLT_OK), "ENV the environment's AWS_ACCESS_KEY_ID");
    assert_string_equal(buf_str(&world->traced),
                        "environment: serves: the environment's AWS_ACCESS_KEY_ID\n");
}

static void test_a_profile_of_the_settings_goes_before_the_environment(void **state)
{
    struct world *world = *state;
    struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain;

    harness_write(world->dir, "credentials",
                  "[ci]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    (void) setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    (void) setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    settings.profile = "ci";
    chain = flt_aws_chain_new(&settings);
    assert_string_equal(id_of(chain), "FILE");
    assert_non_null(strstr(buf_str(&world->traced),
                           "environment: not asked, because the settings name a profile\n"));
    flt_aws_chain_free(chain);
}

static void test_half_of_a_key_in_the_environment_is_wrong(void **state)
{
    (void) setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    assert_string_equal(ask(*state, FLT_E_INVALID),
                        "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
}

static void test_each_source_says_why_it_does_not_serve(void **state)
{
    struct world *world = *state;
    const char *said = ask(world, FLT_E_AUTH);

    assert_true(str_starts(said, "nobody has keys for AWS: environment: AWS_ACCESS_KEY_ID is not "
                                 "set; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; "
                                 "profile: there is no profile 'default'"));
    assert_non_null(strstr(buf_str(&world->traced),
                           "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
                           "AWS_CONTAINER_CREDENTIALS_FULL_URI are not set\n"
                           "instance metadata: AWS_EC2_METADATA_DISABLED is true\n"));
}

/* A token of one file does not go with keys of the other. */
static void test_keys_are_of_one_file(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);
    const struct flt_aws_keys *keys = NULL;
    char error[FLT_ERROR_MAX];

    harness_write(world->dir, "credentials",
                  "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    harness_write(
        world->dir, "config",
        "[default]\naws_access_key_id = B\naws_session_token = old\nregion = eu-west-1\n");
    assert_int_equal(flt_aws_chain_keys(chain, NULL, NULL, &keys, error), FLT_OK);
    assert_string_equal(keys->access_key, "A");
    assert_null(keys->session_token);
    flt_aws_chain_free(chain);
}

static void test_a_wrong_profile_is_named(void **state)
{
    static const struct {
        const char *why, *config, *want;
    } rows[] = {
        { "no secret", "[default]\naws_access_key_id = A\n",
          "config:2: profile 'default' has aws_access_key_id and no aws_secret_access_key there" },
        { "a device", "[default]\nrole_arn = arn\nsource_profile = b\nmfa_serial = m\n",
          "config:4: profile 'default' asks for a code of a device (mfa_serial), and nobody is "
          "here "
          "to type it: use a role without" },
        { "no source", "[default]\nrole_arn = arn\n",
          "config:2: profile 'default' needs either source_profile or credential_source beside its "
          "role_arn" },
        { "two sources",
          "[default]\nrole_arn = arn\nsource_profile = b\ncredential_source = Environment\n",
          "config:2: profile 'default' needs one of source_profile or credential_source beside its "
          "role_arn" },
        { "a loop",
          "[default]\nrole_arn = arn\nsource_profile = b\n[profile b]\nrole_arn = arn\n"
          "source_profile = default\n",
          "config:6: source_profile leads from 'b' back to 'default', or through more than 16 "
          "profiles" },
        { "nobody", "[default]\nrole_arn = arn\nsource_profile = b\n",
          "config:3: source_profile 'b' does not exist" },
        { "a source of another name", "[default]\nrole_arn = arn\ncredential_source = Env\n",
          "config:3: credential_source must be Environment, EcsContainer or Ec2InstanceMetadata" },
        { "no number", "[default]\nrole_arn = a\nsource_profile = b\nduration_seconds = 1h\n",
          "config:4: duration_seconds must be a number" },
        { "no session", "[default]\nsso_session = s\n",
          "config:2: there is no [sso-session s] in " },
        { "no quote", "[default]\ncredential_process = /bin/keys 'a\n",
          "config:2: credential_process: a quote in it is not closed" },
        { "a relative program", "[default]\ncredential_process = bin/keys\n",
          "config:2: credential_process: its program is neither an absolute path nor a name that "
          "PATH leads to" },
        { "no program", "[default]\ncredential_process = ''\n",
          "config:2: credential_process: its program is neither an absolute path nor a name that "
          "PATH leads to" },
        { "no line", "[default]\nrubbish\n",
          "config:2: the line is no 'name = value', no [section] and no comment" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *said;

        harness_write(world->dir, "config", rows[i].config);
        said = ask(world, FLT_E_INVALID);
        if (!str_starts(said, world->dir) || !strstr(said, rows[i].want))
            fail_msg("%s: %s", rows[i].why, said);
    }
}

static void test_a_profile_that_is_wished_for_and_missing_is_wrong(void **state)
{
    struct world *world = *state;

    harness_write(world->dir, "config", "[ci]\nregion = eu-west-1\n");
    (void) setenv("AWS_PROFILE", "ci", 1);
    assert_true(str_starts(ask(world, FLT_E_INVALID),
                           "there is no profile 'ci': neither [profile ci] in "));
}

/* The same cases as of a POSIX shell. */
static void test_a_command_is_divided_as_by_a_shell(void **state)
{
    static const struct {
        const char *line, *want;
    } rows[] = {
        { "/bin/keys", "</bin/keys>" },
        { "/bin/keys a  b", "</bin/keys><a><b>" },
        { "/bin/keys 'a b' \"c d\"", "</bin/keys><a b><c d>" },
        { "/bin/keys a\\ b \"q\\\"\\\\\\n\"", "</bin/keys><a b><q\"\\\\n>" },
        { "/bin/keys 'a\\b'c\"\" ''", "</bin/keys><a\\bc><>" },
        { "\"/bin/with blank\" $HOME;`x`", "</bin/with blank><$HOME;`x`>" },
        { "sh -c x", "</bin/sh><-c><x>" },
    };
    struct world *world = *state;

    (void) setenv("PATH", "relative:/nonexistent:/bin", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        autofree char *config = mem_printf("[default]\ncredential_process = %s\n", rows[i].line);

        harness_write(world->dir, "config", config);
        (void) ask(world, FLT_OK);
        assert_string_equal(buf_str(&world->argv), rows[i].want);
    }
}

static void test_a_program_that_gives_no_keys_is_named(void **state)
{
    static const struct {
        int32_t result, code;
        const char *print, *want;
    } rows[] = {
        { 3, FLT_E_AUTH, NULL, " ended with exit status 3" },
        { FLT_E_TIMEOUT, FLT_E_TIMEOUT, NULL, " could not be run" },
        { 0, FLT_E_UNAVAILABLE, "", "JSON is broken at byte 0" },
        { 0, FLT_E_UNAVAILABLE, "[]", "AccessKeyId is missing" },
        { 0, FLT_E_UNAVAILABLE, "{\"AccessKeyId\":\"A\"}", "SecretAccessKey is missing" },
        { 0, FLT_E_UNAVAILABLE, "{\"SecretAccessKey\":\"A\"}", "AccessKeyId is missing" },
        { 0, FLT_E_UNAVAILABLE, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
          "its Version is not 1" },
        { 0, FLT_E_UNAVAILABLE, "{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
          "its Version is not 1" },
        { 0, FLT_E_UNAVAILABLE,
          "{\"Version\":\"1\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
          "its Version is not 1" },
        { 0, FLT_E_UNAVAILABLE,
          "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}",
          "Expiration is no time" },
        { 0, FLT_E_INVALID, "{\"Version\":1,\"AccessKeyId\":\"A\\n\",\"SecretAccessKey\":\"s\"}",
          "the keys hold a control byte or a letter beyond ASCII" },
    };
    struct world *world = *state;

    write_process(world);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world->result = rows[i].result;
        world->print = rows[i].print;
        assert_non_null(strstr(ask(world, rows[i].code), rows[i].want));
    }
}

static void test_keys_are_renewed_early_and_not_before(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    static const struct {
        const char *why;
        int64_t life_s, kept_s, renewed_s;
    } rows[] = {
        { "5 to 10 minutes before", 3600, 3000, 3301 },
        { "a quarter of a short life before", 100, 74, 75 },
        { "for ever", 0, INT64_C(1) << 40, 0 },
    };

    write_process(world);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

        world->now_s = NOW;
        world->runs = 0;
        world->life_s = rows[i].life_s;
        assert_string_equal(id_of(chain), "ID1");
        world->now_s = NOW + rows[i].kept_s;
        if (!str_eq(id_of(chain), "ID1"))
            fail_msg("%s: renewed too early", rows[i].why);
        world->now_s = NOW + rows[i].renewed_s;
        if (!str_eq(id_of(chain), rows[i].renewed_s ? "ID2" : "ID1"))
            fail_msg("%s: not renewed", rows[i].why);
        flt_aws_chain_free(chain);
    }
}

/* Many managers that began together do not all renew in one second. */
static void test_renewal_has_jitter(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    int early = 0;

    write_process(world);
    world->life_s = 3600;
    for (int i = 0; i < 64; i++) {
        struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

        world->runs = 0;
        world->now_s = NOW;
        (void) id_of(chain);
        world->now_s = NOW + 3600 - 450;
        early += str_eq(id_of(chain), "ID2");
        flt_aws_chain_free(chain);
    }
    assert_in_range(early, 1, 63);
}

static void test_keys_that_hold_are_given_while_renewal_fails(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

    write_process(world);
    world->life_s = 100;
    assert_string_equal(id_of(chain), "ID1");
    world->now_s = NOW + 80;
    world->result = 1;
    assert_string_equal(id_of(chain), "ID1");
    assert_int_equal(world->runs, 2);
    assert_non_null(
        strstr(buf_str(&world->traced), "profile: the keys at hand are good for another 20 s\n"));
    assert_string_equal(id_of(chain), "ID1");
    assert_int_equal(world->runs, 2); /* not at each call */
    world->now_s = NOW + 111;
    assert_non_null(strstr(id_of(chain), "ended with exit status 1"));
    world->result = 0;
    assert_string_equal(id_of(chain), "ID4");
    flt_aws_chain_free(chain);
}

static void test_forgotten_keys_are_not_given_again(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

    write_process(world);
    assert_string_equal(id_of(chain), "ID1");
    flt_aws_chain_forget(chain);
    assert_string_equal(id_of(chain), "ID2");
    world->result = 1;
    flt_aws_chain_forget(chain);
    assert_non_null(strstr(id_of(chain), "ended with exit status 1"));
    flt_aws_chain_free(chain);
}

/* Our clock may be the one that is wrong. */
static void test_keys_that_ended_by_our_clock_are_given_and_asked_for_soon(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

    write_process(world);
    world->life_s = -3600;
    assert_string_equal(id_of(chain), "ID1");
    world->now_s = NOW + 14;
    assert_string_equal(id_of(chain), "ID1");
    world->now_s = NOW + 31;
    assert_string_equal(id_of(chain), "ID2");
    flt_aws_chain_free(chain);
}

/* Or the work would go on under another identity. */
static void test_another_source_does_not_take_over(void **state)
{
    struct world *world = *state;
    const struct flt_aws_settings settings = settings_of(world);
    struct flt_aws_chain *chain = flt_aws_chain_new(&settings);

    (void) setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    (void) setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    write_process(world);
    assert_string_equal(id_of(chain), "ENV");
    (void) unsetenv("AWS_ACCESS_KEY_ID");
    (void) unsetenv("AWS_SECRET_ACCESS_KEY");
    flt_aws_chain_forget(chain);
    assert_string_equal(id_of(chain), "AWS_ACCESS_KEY_ID is not set");
    flt_aws_chain_free(chain);
}

static const char *region_of(struct world *world, const char *configured)
{
    static char text[FLT_ERROR_MAX * 2];
    struct flt_aws_settings settings = settings_of(world);
    const char *region = NULL, *source = NULL;
    char error[FLT_ERROR_MAX] = "";
    struct flt_aws_chain *chain;

    settings.region = configured;
    chain = flt_aws_chain_new(&settings);
    if (flt_aws_chain_region(chain, NULL, NULL, &region, &source, error) == FLT_OK)
        (void) snprintf(text, sizeof(text), "%s by %s", region, source);
    else
        (void) snprintf(text, sizeof(text), "%s", error);
    flt_aws_chain_free(chain);
    return text;
}

static void test_the_region_is_that_of_the_first_who_says_one(void **state)
{
    struct world *world = *state;
    autofree char *by_profile =
        mem_printf("eu-west-3 by profile 'default' of %s/config", world->dir);

    assert_true(str_starts(region_of(world, NULL), "no region is set: "));
    harness_write(world->dir, "config", "[default]\nregion = eu-west-3\n");
    assert_string_equal(region_of(world, NULL), by_profile);
    (void) setenv("AWS_DEFAULT_REGION", "eu-west-2", 1);
    assert_string_equal(region_of(world, NULL), "eu-west-2 by AWS_DEFAULT_REGION");
    (void) setenv("AWS_REGION", "eu-west-1", 1);
    assert_string_equal(region_of(world, NULL), "eu-west-1 by AWS_REGION");
    assert_string_equal(region_of(world, "us-east-1"), "us-east-1 by plugin_config");
    assert_true(str_starts(region_of(world, "evil.example/"),
                           "'evil.example/' (plugin_config) is no region: "));
}

static void test_times_are_read(void **unused)
{
    static const struct {
        const char *text;
        int64_t want; /* 0 = none */
    } rows[] = {
        { "2026-11-26T10:00:00Z", 1795687200 },
        { "2026-11-26T10:00:00.123456Z", 1795687200 },
        { "2026-11-26T10:00:00UTC", 1795687200 },
        { "2026-11-26T12:00:00+02:00", 1795687200 },
        { "2026-11-26T07:30:00-0230", 1795687200 },
        { "2026-11-26T10:00:00", 0 },
        { "2026-11-26 10:00:00Z", 0 },
        { " 2026-11-26T10:00:00Z", 0 },
        { "2026-11-26T10:00:00Zx", 0 },
        { "soon", 0 },
        { "", 0 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t got = 0;

        assert_int_equal(flt_utc_parse(rows[i].text, &got) == 0, rows[i].want != 0);
        assert_int_equal(got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_environment_goes_before_the_files, begin, end),
        cmocka_unit_test_setup_teardown(test_a_profile_of_the_settings_goes_before_the_environment,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_half_of_a_key_in_the_environment_is_wrong, begin, end),
        cmocka_unit_test_setup_teardown(test_each_source_says_why_it_does_not_serve, begin, end),
        cmocka_unit_test_setup_teardown(test_keys_are_of_one_file, begin, end),
        cmocka_unit_test_setup_teardown(test_a_wrong_profile_is_named, begin, end),
        cmocka_unit_test_setup_teardown(test_a_profile_that_is_wished_for_and_missing_is_wrong,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_a_command_is_divided_as_by_a_shell, begin, end),
        cmocka_unit_test_setup_teardown(test_a_program_that_gives_no_keys_is_named, begin, end),
        cmocka_unit_test_setup_teardown(test_keys_are_renewed_early_and_not_before, begin, end),
        cmocka_unit_test_setup_teardown(test_renewal_has_jitter, begin, end),
        cmocka_unit_test_setup_teardown(test_keys_that_hold_are_given_while_renewal_fails, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_forgotten_keys_are_not_given_again, begin, end),
        cmocka_unit_test_setup_teardown(
            test_keys_that_ended_by_our_clock_are_given_and_asked_for_soon, begin, end),
        cmocka_unit_test_setup_teardown(test_another_source_does_not_take_over, begin, end),
        cmocka_unit_test_setup_teardown(test_the_region_is_that_of_the_first_who_says_one, begin,
                                        end),
        cmocka_unit_test(test_times_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
