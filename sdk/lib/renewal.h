/* sdk/lib/renewal.h - when credentials that end are asked for anew. Pure but for chance. Used by aws_credentials.c and
 * google_credentials.c.
 */
#ifndef FLOTILLA_LIB_RENEWAL_H
#define FLOTILLA_LIB_RENEWAL_H

#include <stdint.h>

/* 5 to 10 minutes before they end, but not before three quarters of their life. With ones that have ended by our clock,
 * which may be wrong: as after a failure. `expires_s` 0 = never. */
int64_t flt_renewal_s(int64_t now_s, int64_t expires_s);
/* After a failure. */
int64_t flt_renewal_after_failure_s(int64_t now_s);

#endif
