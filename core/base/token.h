/* core/base/token.h - a token as a log may show it. */
#pragma once

#define TOKEN_SHORT_SIZE 10
/* The token without its prefix, first nine characters (coordinator-protocol.md 5.6). */
void token_shorten(const char *token, char dst[TOKEN_SHORT_SIZE]);
