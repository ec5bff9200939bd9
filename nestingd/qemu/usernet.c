/* nestingd/qemu/usernet.c - see usernet.h. The lines are
 *
 *   Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
 *   TCP[HOST_FORWARD]  13       127.0.0.1 43567       10.0.2.15    22     0     0
 */
#include "nestingd/qemu/usernet.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"

enum { PORT_WORD = 3, NUMBER_MAX = 8 };

/* The n-th word of a line, from 0. */
static int copy_word(const char *line, int n, char *out, size_t size)
{
    size_t len = 0;

    for (;; line += len) {
        line += strspn(line, " \t");
        len = strcspn(line, " \t\r\n");
        if (len == 0 || n-- == 0)
            break;
    }
    if (len == 0 || len >= size)
        return -ENOENT;
    (void) memcpy(out, line, len);
    out[len] = '\0';
    return 0;
}

int usernet_find_port(const char *text, unsigned *ret)
{
    static const char forwarded[] = "TCP[HOST_FORWARD]";

    for (const char *line = text; line; line = strchr(line, '\n')) {
        char word[NUMBER_MAX];
        int64_t port;

        line += strspn(line, "\r\n \t");
        if (strncmp(line, forwarded, strlen(forwarded)) != 0)
            continue;
        if (copy_word(line, PORT_WORD, word, sizeof(word)) == 0 &&
            parse_i64(word, 1, 65535, &port) == 0) {
            *ret = (unsigned) port;
            return 0;
        }
    }
    return -ENOENT;
}
