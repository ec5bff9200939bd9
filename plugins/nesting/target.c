/* target.c - the forms of nesting_host: unix:///PATH, unix:/PATH, tcp://HOST:PORT and HOST:PORT, all as the instance
 * sees them. */
#include "nesting.h"

#include <string.h>

#define PATH_LIMIT 107 /* of a socket's address */
#define HOST_LIMIT 255

static int refuse(char *why, const char *text)
{
    (void) snprintf(why, FLT_ERROR_MAX, "vm_isolation.nesting_host %s", text);
    return -1;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int) (at - digits) : -1;
}

/* Percents decoded, as in a URL. -1: one is broken, or stands for what no path may hold. */
static int decode(const char *text, char *ret, size_t size)
{
    size_t n = 0;

    for (; *text; text++) {
        int c = (unsigned char) *text;

        if (c == '%') {
            int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);

            if (low < 0)
                return -1;
            c = high << 4 | low;
            text += 2;
        }
        if (c < ' ' || c == 0x7f || n + 1 >= size)
            return -1;
        ret[n++] = (char) c;
    }
    ret[n] = '\0';
    return 0;
}

static int parse_unix(const char *text, char *ret, char *why)
{
    char path[NESTING_ADDRESS_SIZE - sizeof("unix:")];

    if (strncmp(text, "//", 2) == 0)
        text += 2;
    if (decode(text, path, sizeof(path)) < 0)
        return refuse(why, "has a path with a broken % or a control character, or one too long");
    if (*path == '~' || strncmp(path, "/~", 2) == 0)
        return refuse(why, "begins with ~, which nobody expands on the instance: write the home "
                           "directory out, as in unix:///Users/ec2-user/nesting.sock");
    if (*path != '/' || !path[1])
        return refuse(why, "needs an absolute path, as in unix:///run/nesting.sock");
    if (strlen(path) > PATH_LIMIT)
        return refuse(why, "has a path of more than 107 bytes, which no socket can have");
    (void) snprintf(ret, NESTING_ADDRESS_SIZE, "unix:%s", path);
    return 0;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned port = 0;

    if (digits == 0 || digits > 5 || text[digits])
        return false;
    for (; *text; text++)
        port = port * 10 + (unsigned) (*text - '0');
    return port >= 1 && port <= 65535;
}

/* A name, an address, or an address with colons in brackets. */
static bool is_host(const char *host, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char numbers[] = "0123456789abcdefABCDEF:.";
    bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';

    if (len == 0 || len > HOST_LIMIT)
        return false;
    return brackets ? strspn(host + 1, numbers) == len - 2 : strspn(host, plain) >= len;
}

static int parse_tcp(const char *text, char *ret, char *why)
{
    const char *colon = strrchr(text, ':');

    if (!colon || !is_port(colon + 1) || !is_host(text, (size_t) (colon - text)))
        return refuse(why, "must be unix:///PATH, tcp://HOST:PORT or HOST:PORT");
    (void) snprintf(ret, NESTING_ADDRESS_SIZE, "tcp:%s", text);
    return 0;
}

int target_parse(const char *nesting_host, char ret[NESTING_ADDRESS_SIZE], char *why)
{
    if (!nesting_host || !*nesting_host)
        return refuse(why, "is empty: it names the socket of the nesting daemon on the instance, "
                           "as in unix:///run/nesting.sock");
    if (strncmp(nesting_host, "unix:", 5) == 0)
        return parse_unix(nesting_host + 5, ret, why);
    if (strncmp(nesting_host, "tcp://", 6) == 0)
        return parse_tcp(nesting_host + 6, ret, why);
    return parse_tcp(nesting_host, ret, why);
}
