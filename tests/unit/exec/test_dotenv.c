/* tests/unit/exec/test_dotenv.c - mirrors core/exec/dotenv.c: GitLab's rules, on files that zlib made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/base/autoclean.h"
#include "core/base/str.h"
#include "core/exec/dotenv.h"

static void pack(int fd, const char *text, size_t len)
{
    gzFile file = gzdopen(dup(fd), "wb");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned) len), (int) len);
    assert_int_equal(gzclose(file), Z_OK);
}

/* The variables as KEY=VALUE; or the sentence. */
static void expect_file(const char *why, int fd, const char *want)
{
    struct ci_variables variables = { 0 };
    autobuf struct buf got = BUF_INIT;
    struct error err = { 0 };
    int r = dotenv_read(fd, &variables, &err);

    if (r < 0)
        buf_add_str(&got, err.message);
    for (size_t i = 0; i < variables.count; i++)
        buf_addf(&got, "%s%s=%s", i > 0 ? "|" : "", variables.items[i].key,
                 variables.items[i].value);
    ci_variables_done(&variables);
    if (!str_eq(buf_str(&got), want))
        fail_msg("%s: got %s", why, buf_str(&got));
}

static void expect(const char *why, const char *text, const char *want)
{
    autoclose int fd = memfd_create("dotenv", MFD_CLOEXEC);

    pack(fd, text, strlen(text));
    expect_file(why, fd, want);
}

static void test_lines_become_variables(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "plain", "A=1\nB=two words\n", "A=1|B=two words" },
        { "the last line may lack its end", "A=1", "A=1" },
        { "white space around both is cut, that of Windows too", " A = 1 \r\nB=\r\n", "A=1|B=" },
        { "more signs of equality are the value's", "A=b=c\n", "A=b=c" },
        { "quotes are part of the value", "A=\"x\"\n", "A=\"x\"" },
        { "the last of a name counts", "A=1\nA=2\n", "A=2" },
        { "a mark of the order of bytes is none of the name",
          "\xef\xbb\xbf"
          "A=1\n",
          "A=1" },
        { "nothing", "", "" },
        { "no empty lines", "A=1\n\nB=2\n", "dotenv: line 2 is not KEY=VALUE" },
        { "no comments", "# why\nA=1\n", "dotenv: line 1 is not KEY=VALUE" },
        { "keys are words", "A-B=1\n",
          "dotenv: the key in line 1 must be letters, digits and '_', at most 255" },
        { "keys are there", "=1\n",
          "dotenv: the key in line 1 must be letters, digits and '_', at most 255" },
        { "text is UTF-8", "A=\xff\n", "dotenv: it is no text in UTF-8" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(cases[i].why, cases[i].text, cases[i].want);
}

static void test_limits_are_gitlabs(void **unused)
{
    autobuf struct buf text = BUF_INIT, want = BUF_INIT;
    autoclose int fd = memfd_create("dotenv", MFD_CLOEXEC);

    (void) unused;
    for (int i = 0; i < 20; i++) {
        buf_addf(&text, "K%d=\n", i);
        buf_addf(&want, "%sK%d=", i > 0 ? "|" : "", i);
    }
    expect("20 variables", buf_str(&text), buf_str(&want));
    buf_add_str(&text, "K20=\n");
    expect("21 variables", buf_str(&text), "dotenv: there are 21 variables, 20 are allowed");
    /* A bomb: little as it is sent, much as it is. */
    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, 'a');
    expect("a long text", buf_str(&text), "dotenv: it is longer than 65536 bytes");
    assert_int_equal(write(fd, buf_str(&text), 6000), 6000);
    expect_file("a large file", fd, "dotenv: the packed file is larger than 5120 bytes");
}

static void test_what_is_no_whole_gzip_is_refused_and_several_are_one(void **unused)
{
    autoclose int plain = memfd_create("dotenv", MFD_CLOEXEC);
    autoclose int cut = memfd_create("dotenv", MFD_CLOEXEC);
    autoclose int two = memfd_create("dotenv", MFD_CLOEXEC);

    (void) unused;
    assert_int_equal(write(plain, "A=1\n", 4), 4);
    expect_file("plain text", plain, "dotenv: it is no whole gzip file");
    pack(cut, "A=1\n", 4);
    assert_int_equal(ftruncate(cut, lseek(cut, 0, SEEK_END) - 4), 0);
    expect_file("a file that was cut", cut, "dotenv: it is no whole gzip file");
    pack(two, "A=1\n", 4);
    pack(two, "B=2\n", 4);
    expect_file("two files", two, "A=1|B=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_become_variables),
        cmocka_unit_test(test_limits_are_gitlabs),
        cmocka_unit_test(test_what_is_no_whole_gzip_is_refused_and_several_are_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
