/* core/web/guesses.h - who has shown wrong tokens lately, so that nobody can try many; for core/web/request.c. Pure.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define WEB_GUESSES_MAX 10   /* of one address within */
#define WEB_GUESSES_MS 60000 /* after the first of them; then it may try again */
#define WEB_GUESSES_PEERS_MAX 64

struct web_guesses {
    struct {
        struct in6_addr
            who; /* IPv4 as it is in IPv6; of IPv6 the network that one host may have for itself */
        int64_t since_mono;
        unsigned n; /* 0 = nobody */
    } peers[WEB_GUESSES_PEERS_MAX];
};

/* May a token from there be looked at? */
bool web_guesses_allow(const struct web_guesses *guesses, const struct sockaddr_storage *peer,
                       int64_t now_mono);
/* One was wrong. Where too many addresses are noted, the oldest is forgotten. */
void web_guesses_note(struct web_guesses *guesses, const struct sockaddr_storage *peer,
                      int64_t now_mono);
