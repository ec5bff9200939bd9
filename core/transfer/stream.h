/* core/transfer/stream.h - the stream of a transfer process: a helper's archive on its way to GitLab or to
 * a store, or back. Used by process.c.
 *
 * What is sent is whole or not at all: the last byte is held back until the stream has ended and its
 * worker has said that it is whole. Where nothing moves for ten minutes it is given up.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_LINE_MAX 4096

enum stream_word { STREAM_NO_WORD, STREAM_WHOLE, STREAM_CUT };

struct stream {
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t told;
    enum stream_word word;
    int64_t size, sent;  /* of the body, without the line; size -1 = not known before */
    const char *trouble; /* why it was given up; NULL = it was not */
    bool ended;
    size_t at, len; /* what is in `data` */
    char data[64 * 1024];
};

void stream_init(struct stream *stream, int fd);
/* The worker's word; another thread's to call. */
void stream_tell(struct stream *stream, bool whole);
/* The first line, without its end: 1; 0 when the stream ended before its first byte and is whole; negative
 * when there is none. */
int stream_read_line(struct stream *stream, char line[STREAM_LINE_MAX]);

/* For struct outcome_source and outcome_sink. */
int64_t stream_read(void *arg, void *data, size_t size);
int stream_write(void *arg, const void *data, size_t len);
