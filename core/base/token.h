/* core/base/token.h - what a token may be, and as what a log may show it. */
#pragma once

#include <stdbool.h>

/* It goes into a header line, and into logs as its first characters: printable ASCII without a space, 1 to 512. */
bool token_is_sound(const char *token);

#define TOKEN_SHORT_SIZE 10
/* The token without its prefix, first nine characters (coordinator-protocol.md 5.6). */
void token_shorten(const char *token, char dst[TOKEN_SHORT_SIZE]);
