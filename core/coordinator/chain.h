/* core/coordinator/chain.h - the certificates with which each GitLab proved its name: jobs get them as
 * CI_SERVER_TLS_CA_FILE, so that git on an instance trusts whom the manager trusts
 * (coordinator-protocol.md 3.7). Kept by call.c for as long as its client lives.
 */
#pragma once

#include <curl/curl.h>

#include "core/base/buf.h"

/* One host, with scheme and port. */
struct chain {
    struct chain *next;
    char *url;
    struct buf shown; /* of the latest handshake, in PEM form; the host's name is not checked yet */
    struct buf proved; /* of one that led to an answer */
};

struct chain *chain_find(struct chain *list, const char *url);
/* The one for this URL, made when it is not there; NULL when memory is short. */
struct chain *chain_of(struct chain **list, const char *url);
void chain_free_all(struct chain *list);

/* Watches the handshakes of this handle; the checks are libcurl's as ever. */
void chain_watch(struct chain *chain, CURL *easy);
/* An answer came: what was shown last holds. */
void chain_note_answer(struct chain *chain);
