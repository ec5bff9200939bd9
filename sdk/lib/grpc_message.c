/* sdk/lib/grpc_message.c - see grpc_message.h. */
#include "sdk/lib/grpc_message.h"

#include "sdk/lib/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned char *flt_grpc_frame(const void *message, size_t len, size_t *ret_len)
{
    unsigned char *frame = len <= FLT_GRPC_MESSAGE_MAX ? malloc(FLT_GRPC_PREFIX + len) : NULL;

    if (!frame)
        return NULL;
    frame[0] = 0;
    for (int i = 1; i < FLT_GRPC_PREFIX; i++)
        frame[i] = (unsigned char) (len >> (8 * (FLT_GRPC_PREFIX - 1 - i)));
    if (len > 0)
        memcpy(frame + FLT_GRPC_PREFIX, message, len);
    *ret_len = FLT_GRPC_PREFIX + len;
    return frame;
}

/* The prefix is there: room for what it announces. */
static const char *begin_message(struct flt_grpc_reader *reader)
{
    reader->len = 0;
    for (int i = 1; i < FLT_GRPC_PREFIX; i++)
        reader->len = reader->len << 8 | reader->prefix[i];
    if (reader->prefix[0] != 0)
        return "a message that is compressed, which nobody asked for";
    if (reader->len > FLT_GRPC_MESSAGE_MAX)
        return "a message of more than 1 MiB";
    reader->data = malloc(reader->len + 1);
    return reader->data ? NULL : "a message for which there is no memory";
}

const char *flt_grpc_reader_add(struct flt_grpc_reader *reader, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    while (len > 0 && reader->have < FLT_GRPC_PREFIX) {
        reader->prefix[reader->have++] = *bytes++;
        len--;
        if (reader->have == FLT_GRPC_PREFIX) {
            const char *wrong = begin_message(reader);

            if (wrong)
                return wrong;
        }
    }
    if (len == 0)
        return NULL;
    if (len > reader->len - (reader->have - FLT_GRPC_PREFIX))
        return "more than one message";
    memcpy(reader->data + (reader->have - FLT_GRPC_PREFIX), bytes, len);
    reader->have += len;
    return NULL;
}

int flt_grpc_reader_is_whole(const struct flt_grpc_reader *reader)
{
    return reader->data && reader->have == FLT_GRPC_PREFIX + reader->len;
}

void flt_grpc_reader_done(struct flt_grpc_reader *reader)
{
    free(reader->data);
    *reader = (struct flt_grpc_reader) { 0 };
}

void flt_grpc_timeout_write(int64_t ms, char ret[FLT_GRPC_TIMEOUT_SIZE])
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 'm', 1 }, { 'S', 1000 }, { 'M', 60000 }, { 'H', 3600000 } };
    const int64_t most = 99999999;
    size_t i = 0;

    while (i < sizeof(units) / sizeof(units[0]) - 1 && ms / units[i].ms > most)
        i++;
    ms /= units[i].ms;
    (void) snprintf(ret, FLT_GRPC_TIMEOUT_SIZE, "%" PRId64 "%c",
                    ms < 1      ? INT64_C(1)
                    : ms > most ? most
                                : ms,
                    units[i].unit);
}

int flt_grpc_timeout_read(const char *text, size_t len, int64_t *ret)
{
    static const struct {
        char name;
        int64_t ns;
    } units[] = { { 'n', 1 },          { 'u', 1000 },        { 'm', 1000000 },
                  { 'S', 1000000000 }, { 'M', 60000000000 }, { 'H', 3600000000000 } };
    bool negative = len > 0 && text[0] == '-';
    int64_t value = 0;
    size_t i = negative;

    for (; i < len && i < 8U + negative && text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (text[i] - '0');
    if (i == negative || i + 1 != len)
        return -1;
    for (size_t unit = 0; unit < sizeof(units) / sizeof(units[0]); unit++)
        if (units[unit].name == text[i]) {
            const int64_t ms = 1000000;

            value = units[unit].ns < ms ? (value * units[unit].ns + ms - 1) / ms
                                        : value * (units[unit].ns / ms);
            *ret = negative ? -value : value;
            return 0;
        }
    return -1;
}

int flt_grpc_status_read(const char *text, size_t len)
{
    int status = 0;

    if (len == 0 || len > 2)
        return FLT_GRPC_UNKNOWN;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return FLT_GRPC_UNKNOWN;
        status = status * 10 + (text[i] - '0');
    }
    return status <= FLT_GRPC_UNAUTHENTICATED ? status : FLT_GRPC_UNKNOWN;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of the character of UTF-8 at `text`; 0 = there is none. */
static size_t character(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *) text;
    size_t need = at[0] < 0x80                     ? 1
                  : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                   : 0;

    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0; /* overlong, a surrogate, beyond the last one */
    return need;
}

/* The byte that "%41" stands for; -1 = it is no such thing. */
static int escaped(const char *text, size_t len)
{
    int high = len > 2 && text[0] == '%' ? digit(text[1]) : -1,
        low = high >= 0 ? digit(text[2]) : -1;

    return low >= 0 ? high << 4 | low : -1;
}

void flt_grpc_text_read(const char *text, size_t len, char *ret, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < size; i++) {
        int byte = escaped(text + i, len - i);

        ret[n] = text[i];
        if (byte >= 0) {
            ret[n] = (char) byte;
            i += 2;
        }
        if (ret[n] == '\0')
            ret[n] = ' ';
        n++;
    }
    ret[n] = '\0';
    flt_text_clean(ret, size - 1);
    n = strlen(ret);
    for (size_t i = 0, step; i < n; i += step) {
        step = character(ret + i, n - i);
        if (step == 0) {
            ret[i] = '?';
            step = 1;
        }
    }
    while (n > 0 && ret[n - 1] == ' ') /* "%0A" at the end of a command's output */
        ret[--n] = '\0';
}

void flt_grpc_text_write(const char *text, char *ret, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (; *text && n + 3 < size; text++) {
        unsigned char byte = (unsigned char) *text;

        if (byte >= ' ' && byte <= '~' && byte != '%') {
            ret[n++] = *text;
            continue;
        }
        ret[n++] = '%';
        ret[n++] = digits[byte >> 4];
        ret[n++] = digits[byte & 15];
    }
    ret[n] = '\0';
}
