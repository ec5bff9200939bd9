/* tests/unit/base/test_secret.c - mirrors core/base/secret.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/secret.h"
#include "tests/harness/harness.h"

static void test_bytes_come_back_terminated(void **unused)
{
    auto_ptr(secret_free) struct secret *secret = secret_new("a\0b", 3);
    auto_ptr(secret_free) struct secret *copy = secret_dup(secret);
    auto_ptr(secret_free) struct secret *text = secret_from_str("glrt-x");
    auto_ptr(secret_free) struct secret *empty = secret_new(NULL, 0);

    assert_int_equal(secret_len(secret), 3);
    assert_memory_equal(secret_reveal(secret), "a\0b", 4);
    assert_memory_equal(secret_reveal(copy), "a\0b", 4);
    assert_ptr_not_equal(secret_reveal(copy), secret_reveal(secret));
    assert_string_equal(secret_reveal(text), "glrt-x");
    assert_string_equal(secret_reveal(empty), "");
}

static void test_null_is_the_empty_secret(void **unused)
{
    assert_string_equal(secret_reveal(NULL), "");
    assert_int_equal(secret_len(NULL), 0);
    assert_null(secret_from_str(NULL));
    assert_null(secret_dup(NULL));
    secret_free(NULL);
    secret_wipe_str(NULL);
    secret_wipe(NULL, 0);
}

/* True when reading the byte at `at` ends a child by a signal. */
static bool reading_faults(const char *at)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = { 0, 0 };

        (void) setrlimit(RLIMIT_CORE, &none);
        (void) signal(SIGSEGV, SIG_DFL);
        _exit(*(const volatile char *) at == 'x');
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void test_running_over_the_end_faults(void **unused)
{
    static const size_t lengths[] = { 1, 20, 4095, 4096, 5000 };

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        autofree char *data = mem_zero(lengths[i]);
        auto_ptr(secret_free) struct secret *secret = secret_new(data, lengths[i]);

        assert_false(reading_faults(secret_reveal(secret) + lengths[i])); /* the NUL */
        assert_true(reading_faults(secret_reveal(secret) + lengths[i] + 1));
    }
}

/* The flags of the mapping that holds `address`: "rd wr mr ... dd ...". */
static void mapping_flags(const void *address, char flags[512])
{
    autofclose FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false;

    assert_non_null(file);
    flags[0] = '\0';
    while (fgets(line, sizeof(line), file)) {
        unsigned long from, to;

        /* lint: banned-call: the kernel wrote the line. */
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long) address >= from && (unsigned long) address < to;
        else if (inside && strncmp(line, "VmFlags: ", 9) == 0)
            (void) snprintf(flags, 512, "%s", line + 8);
    }
}

static void test_memory_is_left_out_of_core_dumps(void **unused)
{
    auto_ptr(secret_free) struct secret *secret = secret_from_str("token");
    char flags[512];

    mapping_flags(secret_reveal(secret), flags);
    if (!flags[0])
        harness_skip("this kernel shows no flags of mappings");
    assert_non_null(strstr(flags, " dd "));
}

static void test_wiping_leaves_zeros(void **unused)
{
    char text[] = "secret";

    secret_wipe_str(text);
    assert_memory_equal(text, "\0\0\0\0\0\0", 7);
}

static int make_and_copy(void *unused)
{
    auto_ptr(secret_free) struct secret *secret = secret_from_str("abc");
    auto_ptr(secret_free) struct secret *copy = secret_dup(secret);

    return secret && copy ? 0 : -ENOMEM;
}

static void test_each_failing_allocation_gives_null(void **unused)
{
    harness_need_faults();
    assert_int_equal(harness_fail_each_allocation(make_and_copy, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_back_terminated),
        cmocka_unit_test(test_null_is_the_empty_secret),
        cmocka_unit_test(test_running_over_the_end_faults),
        cmocka_unit_test(test_memory_is_left_out_of_core_dumps),
        cmocka_unit_test(test_wiping_leaves_zeros),
        cmocka_unit_test(test_each_failing_allocation_gives_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
