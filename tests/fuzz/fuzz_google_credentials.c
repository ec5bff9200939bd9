/* tests/fuzz/fuzz_google_credentials.c - files of credentials for Google Cloud, of any bytes: they are refused with a
 * sentence or asked for a token with, of which there is none: no request of this process leaves it.
 *
 * Input: the file. A contradiction aborts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sdk/lib/google_credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Nothing is left of the time for any request. */
static int64_t no_time(void *arg)
{
    (void) arg;
    return 0;
}

static int nobody_cancels(void *arg)
{
    (void) arg;
    return -1;
}

/* A file that has no name in any folder. */
static int make_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("credentials", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, data, size) == (ssize_t) size);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct flt_watch watch = { no_time, nobody_cancels, NULL };
    char path[64], error[FLT_ERROR_MAX] = "";
    const struct flt_google_settings settings = { .credentials_file = path };
    const struct flt_google_token *token = NULL;
    struct flt_http *http = flt_http_new("fuzz");
    struct flt_google_chain *chain;
    int fd = make_file(data, size);
    int32_t code;

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    chain = flt_google_chain_new(&settings);
    require(http && chain);
    code = flt_google_chain_token(chain, http, &watch, &token, error);
    if (code == FLT_OK) /* signed by itself, in another universe */
        require(token && token->token && token->universe && token->source);
    else
        require(code != FLT_E_NOT_FOUND && strnlen(error, sizeof(error)) < sizeof(error) &&
                *error != '\0' && !strpbrk(error, "\r\n\x1b"));
    flt_google_chain_free(chain);
    flt_http_free(http);
    (void) close(fd);
    return 0;
}
