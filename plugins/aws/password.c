/* password.c - the password that a Windows instance has given itself, which AWS keeps encrypted for the key pair it was
 * launched with. It is there minutes after the launch. */

#include "aws.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_xml.h"
#include "sdk/lib/base64.h"
#include "sdk/lib/ssh_key.h"

#define PASSWORD_MAX 1024

static bool decrypt(EVP_PKEY *key, const unsigned char *data, size_t len, char *ret,
                    size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = ctx && EVP_PKEY_decrypt_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_decrypt(ctx, (unsigned char *) ret, ret_len, data, len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < ' ' || (unsigned char) text[i] > '~')
            return false;
    return len > 0;
}

char *password_decrypt(const char *data, const char *key_text, char error[256])
{
    const char *why = NULL;
    EVP_PKEY *key = flt_key_read(key_text, &why);
    size_t data_len = 0, len = PASSWORD_MAX;
    char *bytes = flt_base64_read(data, &data_len), *text = calloc(1, PASSWORD_MAX + 1);
    bool ok = false;

    if (!key)
        (void) snprintf(error, 256, "%s", why);
    else if (EVP_PKEY_get_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_size(key) > PASSWORD_MAX)
        (void) snprintf(error, 256, "the key is no RSA key, and AWS takes no other for Windows");
    else if (!bytes || !text)
        (void) snprintf(error, 256, "what AWS has sent is no base64");
    else if (!decrypt(key, (unsigned char *) bytes, data_len, text, &len) || !is_text(text, len))
        (void) snprintf(error, 256,
                        "the key is not that of the key pair with which the instance was "
                        "launched");
    else
        ok = true;
    EVP_PKEY_free(key);
    free(bytes);
    if (ok) {
        text[len] = '\0';
        return text;
    }
    if (text)
        explicit_bzero(text, PASSWORD_MAX);
    free(text);
    return NULL;
}

int32_t password_ask(struct flt_group *g, const char *id, int64_t pause_ms, char **ret)
{
    struct flt_aws_param params[] = { { "InstanceId", id } };
    struct aws_ask ask = AWS_REPEATABLE("ec2", "GetPasswordData", params);
    struct flt_aws_error error;
    char why[256] = "";
    xmlDocPtr doc = NULL;
    int32_t code = aws_ask(g, &ask, &doc, &error);
    const char *data = doc ? text_at(flt_xml_root(doc), "passwordData") : "";

    *ret = NULL;
    if (code != FLT_OK)
        code = aws_refused(g, code, &error);
    else if (!data[strspn(data, " \r\n\t")])
        code = aws_fail(g, FLT_E_NOT_READY, pause_ms,
                        "instance %s has no password yet, which Windows takes up to 15 minutes for",
                        id);
    else if (!(*ret = password_decrypt(data, g->options.connector.key, why)))
        code = aws_fail(g, FLT_E_INVALID, 0,
                        "the password of instance %s cannot be read with connector_config.key_path:"
                        " %s",
                        id, why);
    xmlFreeDoc(doc);
    return code;
}
