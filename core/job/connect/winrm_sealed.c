/* core/job/connect/winrm_sealed.c - see the header. */
#include "core/job/connect/winrm_sealed.h"

#include <endian.h>
#include <errno.h>

#include "core/base/str.h"

#define BOUNDARY "--Encrypted Boundary"
#define OCTETS "\tContent-Type: application/octet-stream\r\n"
#define LENGTH_MAX (64 << 20)

void sealed_write(struct buf *out, size_t plain_len, struct sealed_piece signature,
                  struct sealed_piece data)
{
    const uint32_t signature_len = htole32((uint32_t) signature.len);

    /* Windows, and what was written for it, wants a tab before each header. */
    buf_addf(out,
             BOUNDARY
             "\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
             "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%zu\r\n" BOUNDARY
             "\r\n" OCTETS,
             plain_len);
    buf_add(out, &signature_len, sizeof(signature_len));
    buf_add(out, signature.data, signature.len);
    buf_add(out, data.data, data.len);
    buf_add_str(out, BOUNDARY "--\r\n");
}

static int broken(struct error *err, const char *what)
{
    return error_set(err, -EPROTO, "the instance's encrypted answer is broken: %s", what);
}

/* What stands between the first part's `Length=` and the line's end. */
static int read_length(const char *head, const char *end, size_t *ret)
{
    const char *at = memmem(head, (size_t) (end - head), "Length=", strlen("Length="));
    char digits[12] = "";
    int64_t len = 0;
    size_t n;

    if (!at)
        return -EPROTO;
    at += strlen("Length=");
    n = strspn(at, "0123456789");
    if (n >= sizeof(digits))
        return -EPROTO;
    memcpy(digits, at, n);
    if (parse_i64(digits, 1, LENGTH_MAX, &len) < 0)
        return -EPROTO;
    *ret = (size_t) len;
    return 0;
}

/* Moves `end` before it, when that is what it ends with. */
static bool cut_end(const char *begin, const char **end, const char *suffix)
{
    size_t len = strlen(suffix);

    if ((size_t) (*end - begin) < len || memcmp(*end - len, suffix, len) != 0)
        return false;
    *end -= len;
    return true;
}

int sealed_read(const struct buf *body, size_t *ret_plain_len, struct sealed_piece *ret_signature,
                struct sealed_piece *ret_data, struct error *err)
{
    const char *text = buf_str(body), *end = text + body->len;
    const char *data = memmem(text, body->len, OCTETS, strlen(OCTETS));
    uint32_t signature_len;

    if (!data || read_length(text, data, ret_plain_len) < 0)
        return broken(err, "its first part says no length");
    data += strlen(OCTETS);
    (void) cut_end(data, &end, "\r\n");
    /* Some write "-- Encrypted Boundary". */
    if (!cut_end(data, &end, "Encrypted Boundary--") ||
        (!cut_end(data, &end, "-- ") && !cut_end(data, &end, "--")) ||
        (size_t) (end - data) < sizeof(signature_len))
        return broken(err, "its second part has no end");
    memcpy(&signature_len, data, sizeof(signature_len));
    signature_len = le32toh(signature_len);
    data += sizeof(signature_len);
    if (signature_len > (size_t) (end - data))
        return broken(err, "its signature is longer than it is");
    *ret_signature = (struct sealed_piece) { data, signature_len };
    *ret_data =
        (struct sealed_piece) { data + signature_len, (size_t) (end - data) - signature_len };
    return 0;
}
