/* core/web/guesses.c - a table of addresses with their wrong tokens (guesses.h). */
#include "core/web/guesses.h"

#include <stddef.h>
#include <string.h>

static struct in6_addr who_is(const struct sockaddr_storage *peer)
{
    struct in6_addr who = { 0 };

    if (peer->ss_family == AF_INET) {
        who.s6_addr[10] = who.s6_addr[11] = 0xff;
        memcpy(&who.s6_addr[12], &((const struct sockaddr_in *) peer)->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        who = ((const struct sockaddr_in6 *) peer)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(&who))
            memset(&who.s6_addr[8], 0, 8);
    }
    return who;
}

/* Its place; WEB_GUESSES_PEERS_MAX: it has none. */
static size_t find(const struct web_guesses *guesses, const struct in6_addr *who)
{
    size_t i = 0;

    while (i < WEB_GUESSES_PEERS_MAX &&
           (guesses->peers[i].n == 0 || memcmp(&guesses->peers[i].who, who, sizeof(*who)) != 0))
        i++;
    return i;
}

static size_t oldest(const struct web_guesses *guesses)
{
    size_t found = 0;

    for (size_t i = 0; i < WEB_GUESSES_PEERS_MAX && guesses->peers[found].n > 0; i++)
        if (guesses->peers[i].n == 0 ||
            guesses->peers[i].since_mono < guesses->peers[found].since_mono)
            found = i;
    return found;
}

bool web_guesses_allow(const struct web_guesses *guesses, const struct sockaddr_storage *peer,
                       int64_t now_mono)
{
    const struct in6_addr who = who_is(peer);
    size_t i = find(guesses, &who);

    return i == WEB_GUESSES_PEERS_MAX || guesses->peers[i].n < WEB_GUESSES_MAX ||
           now_mono - guesses->peers[i].since_mono >= WEB_GUESSES_MS;
}

void web_guesses_note(struct web_guesses *guesses, const struct sockaddr_storage *peer,
                      int64_t now_mono)
{
    const struct in6_addr who = who_is(peer);
    size_t i = find(guesses, &who);
    bool is_new = i == WEB_GUESSES_PEERS_MAX;

    if (is_new)
        i = oldest(guesses);
    if (is_new || now_mono - guesses->peers[i].since_mono >= WEB_GUESSES_MS) {
        guesses->peers[i].who = who;
        guesses->peers[i].since_mono = now_mono;
        guesses->peers[i].n = 0;
    }
    guesses->peers[i].n++;
}
