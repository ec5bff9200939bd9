/* core/coordinator/reach.h - can a GitLab be reached at all, and what does it show of itself? For `flotilla doctor`. */
#pragma once

#include "core/coordinator/client.h"

enum reach_trouble {
    REACH_WELL,
    REACH_NAME,        /* the name is not known */
    REACH_CONNECTION,  /* nobody takes the connection, or nothing comes back */
    REACH_CERTIFICATE, /* it does not prove its name */
    REACH_OTHER
};
struct coordinator_reached {
    enum reach_trouble trouble;
    char message[256]; /* what is wrong, in the words of the library */
    int64_t date_ms;   /* by its clock; 0 = it does not say */
    int64_t asked_ms;  /* by ours, when the answer came */
    int64_t
        cert_expires_ms; /* of the chain that it showed, the first that ends; 0 = not told, or no TLS */
};
/* One request, of which the answer's status does not matter; waits for it. Negative: it could not be asked. */
int coordinator_reach(const struct coordinator_host *host, struct coordinator_reached *ret,
                      struct error *err);
