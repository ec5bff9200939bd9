/* tests/integration/host_run.h - runs a program as a provider's host does (flt_host.run), without its deadline. Used by
 * aws_keys.c and google_call.c. */
#pragma once

#include <flotilla/provider.h>

int32_t host_run(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg);
