/* tests/unit/base/test_crc32.c - mirrors core/base/crc32.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/crc32.h"

static void test_known_sums(void **unused)
{
    static const struct {
        const char *why, *data, *want;
    } cases[] = {
        { "nothing", "", "crc32:00000000" },
        { "the check value of IEEE 802.3", "123456789", "crc32:cbf43926" },
        { "leading zeros are kept", "665", "crc32:00081566" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[15];

        crc32_format(crc32_update(0, cases[i].data, strlen(cases[i].data)), text);
        if (strcmp(text, cases[i].want) != 0)
            fail_msg("%s: got %s", cases[i].why, text);
    }
}

static void test_pieces_give_the_sum_of_the_whole(void **unused)
{
    const char *data = "123456789";

    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(crc32_update(crc32_update(0, data, cut), data + cut, 9 - cut), 0xcbf43926);
}

static void test_format_pads_with_zeros(void **unused)
{
    char text[15];

    crc32_format(0xab, text);
    assert_string_equal(text, "crc32:000000ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sums),
        cmocka_unit_test(test_pieces_give_the_sum_of_the_whole),
        cmocka_unit_test(test_format_pads_with_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
