/* tests/unit/sdk/test_ssh_key.c - mirrors sdk/lib/ssh_key.c, with ssh-keygen as the judge. */

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sdk/lib/ssh_key.h"
#include "sdk/lib/wipe.h"
#include "tests/fakes/host_fake.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

static char folder[64], path[96];

static int32_t on_output(void *arg, const void *data, uint32_t len)
{
    char *text = arg;
    size_t have = strlen(text);

    if (have + len < 8192)
        memcpy(text + have, data, len);
    text[have + len] = '\0';
    return 0;
}

static void keygen(char out[8192], const char *const *argv)
{
    out[0] = '\0';
    assert_int_equal(fake_run(argv, on_output, out, false), 0);
}

/* "TYPE BASE64" that ssh-keygen finds in the file; its comment is cut off. */
static void public_of_file(char out[8192])
{
    const char *const argv[] = { "/usr/bin/ssh-keygen", "-y", "-f", path, NULL };
    char *end;

    keygen(out, argv);
    end = strchr(out, ' ');
    assert_non_null(end);
    end[1 + strcspn(end + 1, " \n")] = '\0';
}

static void read_key(char text[8192])
{
    FILE *file = fopen(path, "re");
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, 8191, file);
    text[len] = '\0';
    (void) fclose(file);
}

static void test_a_new_key_is_one_that_ssh_reads(void **state)
{
    char *private, *public, *other, *other_public, out[8192];
    FILE *file;

    (void) state;
    assert_int_equal(flt_key_generate(&private, &public), 0);
    assert_int_equal(flt_key_generate(&other, &other_public), 0);
    assert_string_not_equal(public, other_public);
    file = fdopen(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "w");
    assert_non_null(file);
    (void) fputs(private, file);
    assert_int_equal(fclose(file), 0);
    public_of_file(out);
    assert_string_equal(out, public);
    free(other_public);
    other_public = flt_key_public_line(private);
    assert_string_equal(other_public, public);
    flt_wipe(private);
    flt_wipe(other);
    free(public);
    free(other_public);
}

static void test_the_public_half_is_that_of_ssh_keygen(void **state)
{
    static const struct {
        const char *type, *bits, *form;
        bool known;
    } rows[] = {
        { "rsa", "2048", "RFC4716", true },  { "rsa", "2048", "PEM", true },
        { "rsa", "2048", "PKCS8", true },    { "ed25519", "256", "RFC4716", true },
        { "ecdsa", "256", "RFC4716", true }, { "ecdsa", "256", "PEM", false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const argv[] = {
            "/usr/bin/ssh-keygen", "-q", "-t", rows[i].type, "-b", rows[i].bits, "-m",
            rows[i].form,          "-N", "",   "-f",         path, NULL
        };
        char text[8192], out[8192], *line;

        (void) unlink(path);
        keygen(out, argv);
        read_key(text);
        public_of_file(out);
        line = flt_key_public_line(text);
        if (!rows[i].known)
            assert_null(line);
        else if (!line || strcmp(line, out) != 0)
            fail_msg("%s in %s: %s, not %s", rows[i].type, rows[i].form, line ? line : "none", out);
        free(line);
    }
}

static void make_key(const char *type, const char *form, const char *passphrase, char text[8192])
{
    const char *bits = strcmp(type, "rsa") == 0 ? "2048" : "256";
    const char *const argv[] = { "/usr/bin/ssh-keygen",
                                 "-q",
                                 "-t",
                                 type,
                                 "-b",
                                 bits,
                                 "-m",
                                 form,
                                 "-N",
                                 passphrase,
                                 "-f",
                                 path,
                                 NULL };

    (void) unlink(path);
    keygen(text, argv);
    read_key(text);
}

/* Its private half is that of its public one: what it signs is verified. */
static void assert_whole(EVP_PKEY *key)
{
    const EVP_MD *digest = EVP_PKEY_get_id(key) == EVP_PKEY_RSA ? EVP_sha256() : NULL;
    const unsigned char text[] = "signed";
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[1024];
    size_t len = sizeof(signature);

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, digest, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, text, sizeof(text)), 1);
    EVP_MD_CTX_free(ctx);
    ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, signature, len, text, sizeof(text)), 1);
    EVP_MD_CTX_free(ctx);
}

/* As ssh-keygen tells an RSA key's public half to others; it cannot tell them an Ed25519 key's. */
static EVP_PKEY *public_half_of_file(void)
{
    const char *const argv[] = { "/usr/bin/ssh-keygen", "-e", "-m", "PKCS8", "-f", path, NULL };
    char pem[8192];
    EVP_PKEY *key;
    BIO *bio;

    keygen(pem, argv);
    bio = BIO_new_mem_buf(pem, -1);
    key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static void test_a_private_key_is_read_in_each_form(void **state)
{
    static const char *const rows[][2] = {
        { "rsa", "RFC4716" }, { "rsa", "PEM" }, { "rsa", "PKCS8" }, { "ed25519", "RFC4716" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EVP_PKEY *key, *public;
        const char *why = "";
        char text[8192];

        make_key(rows[i][0], rows[i][1], "", text);
        key = flt_key_read(text, &why);
        if (!key)
            fail_msg("%s in %s: %s", rows[i][0], rows[i][1], why);
        assert_whole(key);
        if (EVP_PKEY_get_id(key) == EVP_PKEY_RSA) {
            public = public_half_of_file();
            assert_int_equal(EVP_PKEY_eq(key, public), 1);
            EVP_PKEY_free(public);
        }
        EVP_PKEY_free(key);
    }
}

static void test_a_key_that_cannot_be_read_says_why(void **state)
{
    static const char *const rows[][4] = {
        { "rsa", "RFC4716", "secret", "has a passphrase" },
        { "rsa", "PEM", "secret", "has a passphrase" },
        { "rsa", "PKCS8", "secret", "has a passphrase" },
        { "ed25519", "RFC4716", "secret", "has a passphrase" },
        { "ecdsa", "RFC4716", "", "is no RSA or Ed25519 key" },
    };
    char text[8192];
    const char *why = "";

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_key(rows[i][0], rows[i][1], rows[i][2], text);
        assert_null(flt_key_read(text, &why));
        if (!strstr(why, rows[i][3]))
            fail_msg("%s in %s: %s", rows[i][0], rows[i][1], why);
    }
}

/* In OpenSSH's form, cut at each length: never read beyond its end. */
static void test_a_key_that_is_cut_off_is_none(void **state)
{
    char text[8192], *private, *public;
    const char *why = "";
    EVP_PKEY *key;

    (void) state;
    assert_int_equal(flt_key_generate(&private, &public), 0);
    key = flt_key_read(private, &why);
    assert_non_null(key);
    assert_whole(key);
    EVP_PKEY_free(key);
    for (size_t len = 0; len < strlen(private) - 40; len++) {
        (void) snprintf(text, sizeof(text), "%.*s\n-----END OPENSSH PRIVATE KEY-----\n", (int) len,
                        private);
        assert_null(flt_key_read(text, &why));
    }
    flt_wipe(private);
    free(public);
}

static void test_a_key_that_is_none_has_no_public_half(void **state)
{
    static const char *const texts[] = {
        "",
        "no key",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        /* The magic, then a cipher whose name is said to be 4 GiB long. */
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n"
         "-----END OPENSSH PRIVATE KEY-----\n"),
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    };

    const char *why = "";

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(flt_key_public_line(texts[i]));
        assert_null(flt_key_read(texts[i], &why));
        assert_non_null(strstr(why, "is no RSA or Ed25519 key"));
    }
}

static int setup(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/flotilla-keys-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void) snprintf(path, sizeof(path), "%s/key", folder);
    return 0;
}

static int teardown(void **state)
{
    char public[128];

    (void) state;
    (void) snprintf(public, sizeof(public), "%s.pub", path);
    (void) unlink(public);
    (void) unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_key_is_one_that_ssh_reads),
        cmocka_unit_test(test_the_public_half_is_that_of_ssh_keygen),
        cmocka_unit_test(test_a_private_key_is_read_in_each_form),
        cmocka_unit_test(test_a_key_that_cannot_be_read_says_why),
        cmocka_unit_test(test_a_key_that_is_cut_off_is_none),
        cmocka_unit_test(test_a_key_that_is_none_has_no_public_half),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
