/* password.c - the password that a Windows instance has given itself, which AWS keeps encrypted for the key pair it was
 * launched with. It is there minutes after the launch. */

#include "aws.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/password.h"
#include "sdk/lib/ssh_key.h"
#include "sdk/lib/xml.h"

char *password_decrypt(const char *data, const char *key_text, char error[256])
{
    const char *why = NULL;
    EVP_PKEY *key = flt_key_read(key_text, &why);
    char *text = NULL;

    if (!key)
        (void) snprintf(error, 256, "%s", why);
    else if (EVP_PKEY_get_id(key) != EVP_PKEY_RSA)
        (void) snprintf(error, 256, "the key is no RSA key, and AWS takes no other for Windows");
    else if (!(text = flt_password_decrypt(key, RSA_PKCS1_PADDING, data)))
        (void) snprintf(error, 256,
                        "the key is not that of the key pair with which the instance was "
                        "launched");
    EVP_PKEY_free(key);
    return text;
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
