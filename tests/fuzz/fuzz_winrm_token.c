/* tests/fuzz/fuzz_winrm_token.c - what an instance says to NTLM's login: whatever it is, the login ends, and a body that
 * was sealed by nobody is not opened. Most of this is gss-ntlmssp's, in a worker that holds one login. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/connect/winrm_login.h"
#include "core/job/connect/winrm_sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void open_forged(struct winrm_login *login, const uint8_t *data, size_t size)
{
    autobuf struct buf body = BUF_INIT, plain = BUF_INIT;
    const size_t head = MIN(size, (size_t) 16);

    sealed_write(&body, size + 1, (struct sealed_piece) { data, head },
                 (struct sealed_piece) { data + head, size - head });
    require(winrm_login_open(login, &body, &plain, NULL) < 0 && plain.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct remote_options options = { .address = "192.0.2.1",
                                            .username = "DOMAIN\\user",
                                            .password = "password" };
    autobuf struct buf first = BUF_INIT, token = BUF_INIT, second = BUF_INIT;
    struct winrm_login *login = NULL;

    (void) base64_encode(&token, data, size);
    require(winrm_login_new(&options, &login, NULL) == 0);
    require(winrm_login_step(login, "", &first, NULL) == 0 && first.len > 0);
    if (winrm_login_step(login, buf_str(&token), &second, NULL) == 1)
        open_forged(login, data, size);
    winrm_login_free(login);
    return 0;
}
