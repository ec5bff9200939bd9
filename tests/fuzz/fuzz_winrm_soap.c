/* tests/fuzz/fuzz_winrm_soap.c - answers of WinRM: whatever they say, ids can be put into a request, and what is sealed
 * lies within its body (hardening.md V12, V15). */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/connect/winrm_sealed.h"
#include "core/job/connect/winrm_soap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_id(int r, const char *id)
{
    require(r < 0 || (*id && strlen(id) < SOAP_ID_SIZE && !strpbrk(id, "<>&\"' \n")));
}

static void require_fault(int r, const struct soap_fault *fault)
{
    require(r != -EREMOTEIO || (*fault->text && !strpbrk(fault->text, "\r\n\x1b")));
}

static int count(void *arg, bool is_stderr, const void *data, size_t len)
{
    size_t *total = arg;

    require(data && len > 0);
    *total += len;
    return 0;
}

static void read_answers(const struct buf *answer)
{
    size_t total = 0, envelope = 0;
    struct soap_output output = { .take = count, .arg = &total };
    struct soap_fault fault = { 0 };
    char id[SOAP_ID_SIZE] = "";
    int r = soap_read_shell(answer, id, &fault, NULL);

    require_id(r, id);
    require_fault(r, &fault);
    r = soap_read_command(answer, id, &fault, NULL);
    require_id(r, id);
    r = soap_read_output(answer, &output, &fault, NULL);
    require(r == 0 || !output.done);
    require(total <= answer->len);
    r = soap_read_config(answer, &envelope, &fault, NULL);
    require(r < 0 || (envelope >= 1024 && envelope / 1024 <= INT32_MAX));
    require_fault(soap_read_nothing(answer, &fault, NULL), &fault);
}

static void read_sealed(const struct buf *body)
{
    struct sealed_piece signature, sealed;
    size_t plain_len = 0;
    const char *begin = buf_str(body), *end = begin + body->len;

    if (sealed_read(body, &plain_len, &signature, &sealed, NULL) < 0)
        return;
    require((const char *) signature.data >= begin && (const char *) sealed.data <= end);
    require((const char *) signature.data + signature.len == sealed.data);
    require((const char *) sealed.data + sealed.len <= end && plain_len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf input = BUF_INIT;

    buf_add(&input, data, size);
    read_answers(&input);
    read_sealed(&input);
    return 0;
}
