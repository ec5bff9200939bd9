/* tests/unit/job/shell/test_powershell.c - mirrors core/job/shell/powershell.c and powershell_quote.c: how values and
 * names enter a script, and how a script is delivered. tests/integration/test_powershell.py parses the scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/str.h"
#include "core/job/shell/powershell.h"
#include "core/job/shell/powershell_glob.h"
#include "core/job/shell/powershell_quote.h"

#define BASE64(text) "([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('" text "')))"

/* hardening.md Q5 and its vectors: only printable ASCII stands as it is, in which U+0027 is the only quote. */
static void test_hardening_1_2_7_8_values(void **unused)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        { "", "''" },
        { "plain", "'plain'" },
        { "it's", "'it''s'" },
        { "''", "''''''" },
        { "`id`;a;id", "'`id`;a;id'" },
        { "$(id) $env:X `$($env:X) # @'", "'$(id) $env:X `$($env:X) # @'''" },
        { "\"' \\\" \\", "'\"'' \\\" \\'" },
        { "-Name", "'-Name'" },
        { "\xe2\x80\x98", BASE64("4oCY") }, /* U+2018, U+2019, U+201A, U+201B */
        { "\xe2\x80\x99", BASE64("4oCZ") },
        { "\xe2\x80\x9a", BASE64("4oCa") },
        { "\xe2\x80\x9b", BASE64("4oCb") },
        { "\xe2\x80\x99; Write-Host INJ; \xe2\x80\x98",
          BASE64("4oCZOyBXcml0ZS1Ib3N0IElOSjsg4oCY") },
        { "\xc3\xa9", BASE64("w6k=") },
        { "a\nb", BASE64("YQpi") },
        { "a\r\nb\t", BASE64("YQ0KYgk=") },
        { "\x7f", BASE64("fw==") },
        { "\x1b[0m", BASE64("G1swbQ==") },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        powershell_value(&out, cases[i].value);
        assert_string_equal(buf_str(&out), cases[i].want);
    }
}

/* Every byte and every pair of bytes: what is quoted is ASCII, one line, and its quotes are pairs. */
static void test_no_value_ends_its_quotes(void **unused)
{
    (void) unused;
    for (unsigned a = 1; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const char value[] = { (char) a, (char) b, '\0' };
            autobuf struct buf out = BUF_INIT;
            size_t quotes = 0;

            powershell_value(&out, value);
            for (size_t i = 0; i < out.len; i++) {
                assert_true(out.data[i] >= ' ' && out.data[i] <= '~');
                quotes += out.data[i] == '\'';
            }
            assert_true(quotes % 2 == 0);
            if (out.data[0] == '\'')
                assert_int_equal(out.len - quotes, strlen(value) - (quotes - 2) / 2);
        }
}

/* In the environment each; as a variable of PowerShell's only what is none of its own. */
static void test_variables(void **unused)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        { "CI_X", "${CI_X} = ${env:CI_X} = 'it''s'\n" },
        { "ErrorActionPreference",
          "${ErrorActionPreference} = ${env:ErrorActionPreference} = 'it''s'\n" },
        { "HOST", "${env:HOST} = 'it''s'\n" },
        { "home", "${env:home} = 'it''s'\n" },
        { "PsScriptRoot", "${env:PsScriptRoot} = 'it''s'\n" },
        { "flotilla_kept", "${env:flotilla_kept} = 'it''s'\n" },
        { "FLOTILLA_WINDOWS", "${env:FLOTILLA_WINDOWS} = 'it''s'\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        shell_pwsh.export(&out, cases[i].name, "it's");
        assert_string_equal(buf_str(&out), cases[i].want);
    }
}

/* What a command line holds is no character that cmd, PowerShell or sh takes for more than itself; only where a
 * PowerShell reads it, more is said. */
static void test_the_command_line(void **unused)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=- ";
    static const char suffix[] = "; exit $LASTEXITCODE";
    autobuf struct buf out = BUF_INIT, nested = BUF_INIT;

    (void) unused;
    shell_powershell.add_command(&shell_powershell, &out, false);
    assert_true(str_starts(buf_str(&out), "powershell -NoProfile -NoLogo -InputFormat text "
                                          "-OutputFormat text -NonInteractive -ExecutionPolicy "
                                          "Bypass -EncodedCommand "));
    assert_int_equal(strspn(buf_str(&out), plain), out.len);
    assert_true(out.len < 8000); /* cmd takes 8191 */
    shell_powershell.add_command(&shell_powershell, &nested, true);
    assert_true(str_starts(buf_str(&nested), buf_str(&out)));
    assert_string_equal(buf_str(&nested) + out.len, suffix);
}

static void test_a_script_is_delivered_behind_its_length(void **unused)
{
    autobuf struct buf out = BUF_INIT, length = BUF_INIT;

    (void) unused;
    for (const char *body = "Write-Host \xe2\x80\x99\n\n\n"; body[1]; body++) {
        buf_clear(&out);
        shell_pwsh.wrap(&shell_pwsh, &out, "C:/b/p.tmp", body);
        buf_clear(&length);
        buf_addf(&length, "%zu\n", strlen(strchr(buf_str(&out), '\n') + 1));
        assert_true(str_starts(buf_str(&out), buf_str(&length)));
    }
}

/* job-execution.md 10.2, and what is special in regular expressions. */
static void test_job_execution_10_2_patterns(void **unused)
{
    static const struct {
        const char *pattern;
        bool deep;
        const char *want;
    } cases[] = {
        { "*", true, "\\A(?:[^/]*)(?:/.*)?\\z" },
        { "dir", true, "\\A(?:dir)(?:/.*)?\\z" },
        { "./dir/", true, "\\A(?:dir)(?:/.*)?\\z" },
        { ".", true, "\\A(?:.*)(?:/.*)?\\z" },
        { "dir/**", true, "\\A(?:dir(?:/.*)?)(?:/.*)?\\z" },
        { "**/*.txt", false, "\\A(?:(?:.*/)?[^/]*\\.txt)\\z" },
        { "a/**/b", false, "\\A(?:a/(?:.*/)?b)\\z" },
        { "**", false, "\\A(?:.*)\\z" },
        { "a**", false, "\\A(?:a[^/]*[^/]*)\\z" },
        { "{top,none}.txt", false, "\\A(?:(?:top|none)\\.txt)\\z" },
        { "a{", false, "\\A(?:a\\{)\\z" },
        { "[!a-c]?[]x]", false, "\\A(?:[^a-c][^/][\\]x])\\z" },
        { "[", false, "\\A(?:\\[)\\z" },
        { "a+(b)|c^$.# ", false, "\\A(?:a\\+\\(b\\)\\|c\\^\\$\\.\\#\\ )\\z" },
        { "\\*x\\", false, "\\A(?:\\*x\\\\)\\z" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        powershell_glob(&out, cases[i].pattern, cases[i].deep);
        assert_string_equal(buf_str(&out), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_1_2_7_8_values),
        cmocka_unit_test(test_no_value_ends_its_quotes),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_the_command_line),
        cmocka_unit_test(test_a_script_is_delivered_behind_its_length),
        cmocka_unit_test(test_job_execution_10_2_patterns),
    };

    return cmocka_run_group_tests_name("job-shell-powershell", tests, NULL, NULL);
}
