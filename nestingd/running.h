/* nestingd/running.h - the calls that run, each on a thread of its own. Used by server.c on its one thread.
 */
#pragma once

#include <pthread.h>

#include "nestingd/backend.h"
#include "nestingd/session.h"

/* What a call comes to; on its own thread. `ret` is zeroed before. */
typedef void (*running_handler)(void *arg, enum method method, const void *data, size_t len,
                                const struct call *call, struct flt_grpc_answer *ret);

struct run {
    struct run *next;
    struct running *running;
    void *owner; /* the connection; NULL = nobody waits for the answer */
    int32_t stream;
    enum method method;
    unsigned char *data;
    size_t len;
    struct call call;
    int cancel_fd; /* to write on */
    pthread_t thread;
    bool is_done; /* under the lock */
    struct flt_grpc_answer answer;
};

struct running {
    running_handler handle;
    void *arg;
    pthread_mutex_t lock;
    struct run *runs;
    int done[2]; /* a byte for each run that is done */
};

int running_open(struct running *running, running_handler handle, void *arg, struct error *err);
void running_close(struct running *running); /* when none is left */
int running_begin(struct running *running, void *owner, const struct request *request,
                  struct error *err);
/* The owner wants no answer to it any more: the call is told to end. */
void running_abandon(struct running *running, const void *owner, int32_t stream);
void running_abandon_all(struct running *running, const void *owner);
/* All are told to end; their owners still get the answers. */
void running_cancel_all(struct running *running);
/* Readable when there may be one for running_take(). */
int running_fd(const struct running *running);
/* One that is done, to be freed by run_free(); NULL = none. */
struct run *running_take(struct running *running);
void run_free(struct run *run);
bool running_any(const struct running *running);
