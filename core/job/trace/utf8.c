/* core/job/trace/utf8.c - UTF-8 repair of a stream that is cut anywhere.
 *
 * The second byte's range depends on the first, so that overlong forms, surrogates and values above
 * U+10FFFF are found at once and never held.
 */
#include "core/job/trace/utf8.h"

#include <stdint.h>
#include <string.h>

#include "core/base/str.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Length of the character at `p`; 0: its beginning, more bytes decide; -1: p[0] fits nowhere. */
static int classify(const unsigned char *p, size_t len)
{
    unsigned char first = p[0], low = 0x80, high = 0xbf;
    size_t need;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    need = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < need; i++) {
        if (i == len)
            return 0;
        if (p[i] < low || p[i] > high)
            return -1;
        low = 0x80;
        high = 0xbf;
    }
    return (int) need;
}

static size_t skip_ascii(const unsigned char *data, size_t at, size_t len)
{
    for (uint64_t word; at + sizeof(word) <= len; at += sizeof(word)) {
        memcpy(&word, data + at, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < len && data[at] < 0x80)
        at++;
    return at;
}

/* Decides what can be decided of the held bytes. */
static void settle_held(struct utf8_repair *repair, struct buf *out)
{
    while (repair->n_held > 0) {
        int found = classify(repair->held, repair->n_held);
        size_t used = found > 0 ? (size_t) found : 1;

        if (found == 0)
            return;
        if (found > 0)
            buf_add(out, repair->held, used);
        else
            buf_add_str(out, REPLACEMENT);
        repair->n_held -= used;
        memmove(repair->held, repair->held + used, repair->n_held);
    }
}

void utf8_repair_write(struct utf8_repair *repair, const char *text, size_t len, struct buf *out)
{
    const unsigned char *data = (const unsigned char *) text;
    size_t at = 0, from;

    while (repair->n_held > 0 && at < len) {
        repair->held[repair->n_held++] = data[at++];
        settle_held(repair, out);
    }
    from = at;
    while ((at = skip_ascii(data, at, len)) < len) {
        int found = classify(data + at, len - at);

        if (found > 0) {
            at += (size_t) found;
            continue;
        }
        buf_add(out, data + from, at - from);
        if (found == 0) {
            repair->n_held = len - at;
            memcpy(repair->held, data + at, repair->n_held);
            return;
        }
        buf_add_str(out, REPLACEMENT);
        from = ++at;
    }
    buf_add(out, data + from, len - from);
}

void utf8_repair_end(struct utf8_repair *repair, struct buf *out)
{
    for (; repair->n_held > 0; repair->n_held--)
        buf_add_str(out, REPLACEMENT);
}

size_t utf8_open_tail(const char *data, size_t len)
{
    const unsigned char *end = (const unsigned char *) data + len;

    for (size_t n = 1; n <= MIN(len, (size_t) 3); n++)
        if ((end[-(ptrdiff_t) n] & 0xc0) != 0x80)
            return classify(end - n, n) == 0 ? n : 0;
    return 0;
}
