/* tests/abi/isolation_alone.c - the header needs nothing before it, as C99. */
#include <flotilla/isolation.h>
