/* tests/abi/header_alone.c - the header needs nothing before it, as C99. */
#include <flotilla/provider.h>
