/* tests/abi/isolation_alone.cpp - the header needs nothing before it, as C++17, and its helpers can be
 * called from there. */
#include <flotilla/isolation.h>

extern "C" int32_t use_helpers(const struct flt_host *host, flt_call *call);

extern "C" int32_t use_helpers(const struct flt_host *host, flt_call *call)
{
    flt_logf(host, call, FLT_LOG_INFO, "%d", 1);
    return flt_failf(host, call, FLT_E_INVALID, 0, "%s", "text");
}
