/* sdk/lib/verdict.h - what follows from a failed call to a cloud, whatever the cloud. Made by aws_error.c and
 * google_error.c, followed by aws_client.c and google_client.c.
 */
#ifndef FLOTILLA_LIB_VERDICT_H
#define FLOTILLA_LIB_VERDICT_H

#include <stdint.h>

struct flt_verdict {
    int32_t result;   /* FLT_E_* */
    int is_transient; /* the same call may go well in a while */
    int is_refused;   /* the service did nothing: another attempt does no harm */
    int is_throttled;
    int is_key_refused; /* other keys may serve: those of today */
    int is_clock;       /* perhaps the clock of one of both is wrong */
    const char *advice; /* what to do, NULL = unknown; without a full stop */
};

#endif
