/* tests/unit/sdk/test_ini_profile.c - mirrors sdk/lib/ini_profile.c and file.c: what profile files may look like, and how
 * a wrong one is named. tests/integration/test_aws_credentials.py compares with botocore. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <flotilla/provider.h>

#include "sdk/lib/ini_profile.h" /* before cmocka.h, whose fail() is a macro */

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

static const char good[] = "\xEF\xBB\xBF[default]\n"
                           "# of a person\n"
                           "Region = eu-west-1 ; near\n"
                           "aws_secret_access_key=a/b+c=#d;e\r\n"
                           "\n"
                           "[ profile ci ]\n"
                           "region=us-east-2\n"
                           "s3 =\n"
                           "    region = nested\n"
                           "    [profile indented]\n"
                           "region = ca-central-1\n"
                           "[profile \"with blank\"]\n"
                           "region : sa-east-1\n"
                           "empty =\n"
                           "[profile ci]\n"
                           "output = json";

static const char *value_of(const struct flt_ini *ini, const char *kind, const char *name,
                            const char *key)
{
    const struct flt_ini_setting *found = flt_ini_find(ini, kind, name, key);

    return found ? found->value : "(none)";
}

static void test_settings_are_found_by_section_and_key(void **unused)
{
    static const struct {
        const char *why, *kind, *name, *key, *want;
    } rows[] = {
        { "keys have no case, comments go", NULL, "default", "region", "eu-west-1" },
        { "a comment needs a blank before it", NULL, "default", "AWS_Secret_Access_Key",
          "a/b+c=#d;e" },
        { "blanks in brackets, nested settings passed over", "profile", "ci", "region",
          "us-east-2" },
        { "what is in a setting is not its value", "profile", "ci", "s3", "" },
        { "a section that comes back goes on", "profile", "ci", "output", "json" },
        { "an indented header", "profile", "indented", "region", "ca-central-1" },
        { "quotes, and a colon", "profile", "with blank", "region", "sa-east-1" },
        { "an empty value", "profile", "with blank", "empty", "" },
        { "another kind", "sso-session", "ci", "region", "(none)" },
        { "no kind", NULL, "ci", "region", "(none)" },
        { "the kind alone", NULL, "profile ci", "region", "us-east-2" },
        { "no such key", "profile", "ci", "s4", "(none)" },
    };
    char error[FLT_ERROR_MAX];
    struct flt_ini *ini = NULL;

    (void) unused;
    assert_int_equal(flt_ini_parse("config", good, &ini, error), FLT_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!str_eq(value_of(ini, rows[i].kind, rows[i].name, rows[i].key), rows[i].want))
            fail_msg("%s: got '%s'", rows[i].why,
                     value_of(ini, rows[i].kind, rows[i].name, rows[i].key));
    assert_int_equal(flt_ini_find(ini, "profile", "indented", NULL)->line, 10);
    assert_null(flt_ini_find(ini, "profile", "missing", NULL));
    assert_null(flt_ini_find(NULL, "profile", "ci", "region"));
    flt_ini_free(ini);
}

/* inih keeps 49 bytes of a section's name. */
static void test_two_long_names_are_two_profiles(void **unused)
{
#define LONG "AdministratorAccess-a-very-long-name-of-an-account-"
    char error[FLT_ERROR_MAX];
    struct flt_ini *ini = NULL;

    (void) unused;
    assert_int_equal(flt_ini_parse("config",
                                   "[profile " LONG "1]\nregion = a\n"
                                   "[profile " LONG "2]\nregion = b\n",
                                   &ini, error),
                     FLT_OK);
    assert_string_equal(value_of(ini, "profile", LONG "1", "region"), "a");
    assert_string_equal(value_of(ini, "profile", LONG "2", "region"), "b");
    flt_ini_free(ini);
}

static void test_a_token_of_ten_thousand_bytes_is_taken_whole(void **unused)
{
    char error[FLT_ERROR_MAX], *text = mem_alloc(20000);
    struct flt_ini *ini = NULL;

    (void) unused;
    assert_non_null(text);
    memcpy(text, "[a]\ntoken = ", 12);
    memset(text + 12, 't', 10000);
    text[10012] = '\0';
    assert_int_equal(flt_ini_parse("config", text, &ini, error), FLT_OK);
    assert_int_equal(strlen(value_of(ini, NULL, "a", "token")), 10000);
    flt_ini_free(ini);
    free(text);
}

static void test_what_is_wrong_is_named_with_its_line(void **unused)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "[a]\nx = 1\nrubbish\n",
          "f:3: the line is no 'name = value', no [section] and no comment" },
        { "[a\nx = 1\n", "f:1: the line is no 'name = value', no [section] and no comment" },
        { "# c\n\nx = 1\n", "f:3: the setting stands before the first [section]" },
        { "[a]\n= 1\n", "f:2: the setting has no name" },
    };
    char error[FLT_ERROR_MAX];

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_ini *ini = NULL;

        assert_int_equal(flt_ini_parse("f", rows[i].text, &ini, error), FLT_E_INVALID);
        assert_string_equal(error, rows[i].want);
        assert_null(ini);
    }
}

static void test_a_line_that_is_too_long_is_refused(void **unused)
{
    char error[FLT_ERROR_MAX], *text = mem_alloc(40000);
    struct flt_ini *ini = NULL;

    (void) unused;
    assert_non_null(text);
    memset(text, 'x', 39999);
    memcpy(text, "[a]\nb=", 6);
    text[39999] = '\0';
    assert_int_equal(flt_ini_parse("f", text, &ini, error), FLT_E_INVALID);
    assert_string_equal(error, "f:2: the line is too long");
    free(text);
}

static void test_files_are_read_within_bounds(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "config"), *fifo = harness_path(dir, "fifo");
    char error[FLT_ERROR_MAX], *text = NULL;
    struct flt_ini *ini = NULL;

    (void) unused;
    assert_int_equal(flt_ini_read(path, &ini, error), FLT_E_NOT_FOUND);
    assert_non_null(strstr(error, path));
    harness_write(dir, "config", "[a]\nb = c\n");
    assert_int_equal(flt_ini_read(path, &ini, error), FLT_OK);
    assert_string_equal(flt_ini_path(ini), path);
    flt_ini_free(ini);
    assert_int_equal(flt_file_read(path, 10, &text, error), FLT_OK);
    assert_string_equal(text, "[a]\nb = c\n");
    free(text);
    assert_int_equal(flt_file_read(path, 9, &text, error), FLT_E_INVALID);
    assert_int_equal(flt_file_read(dir, 9, &text, error), FLT_E_INVALID);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(flt_file_read(fifo, 9, &text, error), FLT_E_INVALID);
    assert_non_null(strstr(error, "only a regular file"));
}

static void test_a_nul_is_refused(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "nul");
    char error[FLT_ERROR_MAX], *text = NULL;
    FILE *file = fopen(path, "we");

    (void) unused;
    assert_non_null(file);
    assert_int_equal(fwrite("a\0b", 1, 3, file), 3);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(flt_file_read(path, 100, &text, error), FLT_E_INVALID);
    assert_non_null(strstr(error, "NUL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_found_by_section_and_key),
        cmocka_unit_test(test_two_long_names_are_two_profiles),
        cmocka_unit_test(test_a_token_of_ten_thousand_bytes_is_taken_whole),
        cmocka_unit_test(test_what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(test_a_line_that_is_too_long_is_refused),
        cmocka_unit_test(test_files_are_read_within_bounds),
        cmocka_unit_test(test_a_nul_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
