/* tests/unit/plugins/test_aws_console.c - mirrors plugins/aws/console.c: host keys out of what a console shows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "plugins/aws/aws.h"
#include "tests/fakes/host_fake.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl"
#define EC "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBE0Q"
#define BEGIN "-----BEGIN SSH HOST KEY KEYS-----\r\n"
#define END "-----END SSH HOST KEY KEYS-----\r\n"

static void test_host_keys_are_found_between_their_marks(void **state)
{
    static const struct {
        const char *why, *console, *keys;
    } rows[] = {
        { "none", "[ 1.0] Linux version 6.1\n", "" },
        { "two", "boot\r\n" BEGIN ED " root@ip\r\n" EC " root@ip\r\n" END "login:", ED "," EC "," },
        { "with the time in front", BEGIN "[   14.2] cloud-init[9]: " ED " root\n" END, ED "," },
        { "without comment, and without a last newline", BEGIN ED "\r\n" END, ED "," },
        { "a block that goes on is not believed yet", "x\n" BEGIN ED " root@ip\r\n", "" },
        { "outside of the block", ED "\n" BEGIN END ED "\n", "" },
        { "no base64", BEGIN "ssh-ed25519 ????\n" END, "" },
        { "too short for a key", BEGIN "ssh-ed25519 AAAA\n" END, "" },
        { "another word's end",
          BEGIN "xssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0\n" END, "" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_object *keys = console_host_keys(rows[i].console, strlen(rows[i].console));
        char text[1024] = "";

        for (size_t k = 0; k < json_object_array_length(keys); k++) {
            size_t len = strlen(text);

            (void) snprintf(text + len, sizeof(text) - len, "%s,",
                            json_object_get_string(json_object_array_get_idx(keys, k)));
        }
        if (strcmp(text, rows[i].keys) != 0)
            fail_msg("%s: %s", rows[i].why, text);
        json_object_put(keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_keys_are_found_between_their_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
