/* sdk/lib/grpc_message.h - what gRPC puts into HTTP/2, for both of its sides: messages behind a prefix of five bytes,
 * and the texts of its headers. Pure. Used by grpc_session.c.
 */
#ifndef FLOTILLA_LIB_GRPC_MESSAGE_H
#define FLOTILLA_LIB_GRPC_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define FLT_GRPC_PREFIX 5
#define FLT_GRPC_MESSAGE_MAX ((size_t) 1024 * 1024) /* hardening.md N12 */

/* Statuses that somebody here decides by. */
#define FLT_GRPC_OK 0
#define FLT_GRPC_CANCELLED 1
#define FLT_GRPC_UNKNOWN 2
#define FLT_GRPC_INVALID_ARGUMENT 3
#define FLT_GRPC_DEADLINE_EXCEEDED 4
#define FLT_GRPC_NOT_FOUND 5
#define FLT_GRPC_PERMISSION_DENIED 7
#define FLT_GRPC_RESOURCE_EXHAUSTED 8
#define FLT_GRPC_FAILED_PRECONDITION 9
#define FLT_GRPC_UNIMPLEMENTED 12
#define FLT_GRPC_INTERNAL 13
#define FLT_GRPC_UNAVAILABLE 14
#define FLT_GRPC_UNAUTHENTICATED 16

/* The message with its prefix; NULL without memory, or where it is too long. The caller frees. */
unsigned char *flt_grpc_frame(const void *message, size_t len, size_t *ret_len);

/* One message out of the bytes of a body, whatever pieces they come in. Zeroed, it is ready. */
struct flt_grpc_reader {
    unsigned char prefix[FLT_GRPC_PREFIX];
    size_t have; /* bytes, with the prefix */
    unsigned char *data;
    size_t len; /* of the message, once the prefix is there */
};
/* NULL, or what is wrong with the body: "...". What follows a whole message is an error, too. */
const char *flt_grpc_reader_add(struct flt_grpc_reader *reader, const void *data, size_t len);
int flt_grpc_reader_is_whole(const struct flt_grpc_reader *reader);
void flt_grpc_reader_done(struct flt_grpc_reader *reader);

/* "1500m": what is left, in the finest unit whose eight digits hold it; never more than is left but for times below a
 * millisecond. */
#define FLT_GRPC_TIMEOUT_SIZE 10
void flt_grpc_timeout_write(int64_t ms, char ret[FLT_GRPC_TIMEOUT_SIZE]);
/* 0, or -1 where it is none. Of a time that is over, *ret is negative; a fraction of a millisecond counts whole. */
int flt_grpc_timeout_read(const char *text, size_t len, int64_t *ret);

/* A decimal number of 0 to 16; what is none of these is FLT_GRPC_UNKNOWN. */
int flt_grpc_status_read(const char *text, size_t len);
/* grpc-message as a line that can be shown: percents decoded, control characters as blanks, what is no UTF-8 as '?',
 * cut at `size`. */
void flt_grpc_text_read(const char *text, size_t len, char *ret, size_t size);
/* The other way; cut at `size`, which three times the length and one will do for. */
void flt_grpc_text_write(const char *text, char *ret, size_t size);

#endif
