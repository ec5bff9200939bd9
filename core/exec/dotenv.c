/* core/exec/dotenv.c - lines KEY=VALUE: no empty ones, no comments, no quotes; white space around both is
 * cut; the last one of a name counts. */
#include "core/exec/dotenv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define PACKED_MAX 5120 /* GitLab measures the file as it is sent */
#define TEXT_MAX ((size_t) 64 << 10)
#define VARIABLES_MAX 20
#define KEY_MAX 255
#define SPACE " \t\r\n\v\f"
#define BOM "\xef\xbb\xbf"

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, SPACE);
    len = strlen(text);
    while (len > 0 && strchr(SPACE, text[len - 1]))
        text[--len] = '\0';
    return text;
}

static bool is_key(const char *key)
{
    size_t len = strlen(key);

    return len > 0 && len <= KEY_MAX &&
           strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;
}

/* `line` is changed. */
static int read_line(char *line, unsigned number, struct ci_variables *ret, struct error *err)
{
    char *equals = strchr(line, '=');
    const char *key;

    if (!equals)
        return error_set(err, -EBADMSG, "dotenv: line %u is not KEY=VALUE", number);
    *equals = '\0';
    key = trim(line);
    if (!is_key(key))
        return error_set(err, -EBADMSG,
                         "dotenv: the key in line %u must be letters, digits and '_', at most %d",
                         number, KEY_MAX);
    return ci_variables_add(ret, key, trim(equals + 1), false) < 0
               ? error_set(err, -ENOMEM, "dotenv: out of memory")
               : 0;
}

static int read_lines(char *text, size_t len, struct ci_variables *ret, struct error *err)
{
    char *at = text;
    int r = 0;

    if (memchr(text, '\0', len) || !utf8_valid(text, len))
        return error_set(err, -EBADMSG, "dotenv: it is no text in UTF-8");
    if (str_starts(at, BOM))
        at += strlen(BOM);
    for (unsigned number = 1; r == 0 && *at; number++) {
        char *newline = strchr(at, '\n'), *next = newline ? newline + 1 : at + strlen(at);

        if (newline)
            *newline = '\0';
        r = read_line(at, number, ret, err);
        at = next;
    }
    if (r == 0 && ret->count > VARIABLES_MAX)
        r = error_set(err, -EBADMSG, "dotenv: there are %zu variables, %d are allowed", ret->count,
                      VARIABLES_MAX);
    return r;
}

/* The unpacked text; several gzip streams, one a file, are one text. */
static int unpack(int fd, struct buf *out, struct error *err)
{
    char part[4096];
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), n = 0, status;
    gzFile file = copy >= 0 ? gzdopen(copy, "rb") : NULL;

    if (!file) {
        if (copy >= 0)
            (void) close(copy);
        return error_set(err, -ENOMEM, "dotenv: out of memory");
    }
    out->max = TEXT_MAX;
    while (!buf_error(out) && (n = gzread(file, part, sizeof(part))) > 0)
        buf_add(out, part, (size_t) n);
    /* Anything else is passed through as it is. */
    status = n == 0 && gzdirect(file) && out->len > 0 ? Z_DATA_ERROR : Z_OK;
    if (gzclose(file) != Z_OK || n < 0)
        status = Z_DATA_ERROR;
    if (buf_error(out))
        return error_set(err, buf_error(out) == -ENOMEM ? -ENOMEM : -EBADMSG,
                         "dotenv: it is longer than %zu bytes", TEXT_MAX);
    return status == Z_OK ? 0 : error_set(err, -EBADMSG, "dotenv: it is no whole gzip file");
}

int dotenv_read(int fd, struct ci_variables *ret, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    struct ci_variables variables = { 0 };
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, -errno, "dotenv");
    if (st.st_size >= PACKED_MAX)
        return error_set(err, -EBADMSG, "dotenv: the packed file is larger than %d bytes",
                         PACKED_MAX);
    r = unpack(fd, &text, err);
    if (r == 0 && text.len > 0)
        r = read_lines(text.data, text.len, &variables, err);
    if (r < 0) {
        ci_variables_done(&variables);
        return r;
    }
    ci_variables_done(ret);
    *ret = variables;
    return 0;
}
