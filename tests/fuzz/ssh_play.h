/* tests/fuzz/ssh_play.h - the server of fuzz_ssh_channel.c: it answers as a server does until it plays the steps of its
 * input, and notes what it told, with which the client's view is compared.
 *
 * Input: five bytes of settings (struct settings), then the steps, each a byte and what it takes (enum step). They are
 * played in the turns that our own waits give, so that there is one thread, no process and no time that passes: what a
 * file does, it does always.
 */
#pragma once

#include <stdint.h>

#include "tests/fuzz/ssh_peer.h"

/* The low four bits of a step; bit 6 set: the channel's number is another one's. Numbers are big-endian. */
enum step {
    STEP_OUT,       /* u16: so much output, as far as the window allows */
    STEP_ERR,       /* u16 */
    STEP_GRANT,     /* u16 */
    STEP_EOF,       /* */
    STEP_CLOSE,     /* */
    STEP_STATUS,    /* u32 */
    STEP_SIGNAL,    /* u8: which */
    STEP_REQUEST,   /* u8: which; the highest bit: it wants a reply */
    STEP_FLOOD,     /* u16: output whatever the window is */
    STEP_GLOBAL,    /* u8: which */
    STEP_OPEN,      /* u8: which */
    STEP_TRANSPORT, /* u8: which */
    STEP_PACKET,    /* u8: so many bytes, which follow, are a packet's payload */
    STEP_BYTES,     /* u8: so many bytes, which follow, are no packet */
    STEP_WAIT,      /* u8: so many turns */
    STEP_READER, /* u8: the reader of stdout's stream sleeps for so many turns; 255: goes; 254: the watch stops us */
};
#define STEP_OTHER_CHANNEL 0x40

/* When the steps begin. */
enum stage { RUNNING, OPENED, LOGGED_IN, CONNECTED };

/* Bits of the first byte; then come the first window for the input and the input's length, each a product of two. */
struct settings {
    enum stage begins;     /* bits 0 and 1 */
    bool stdout_is_stream; /* bit 2 */
    bool stdin_is_stream;  /* bit 3 */
    bool twice;            /* bit 4: a second command on the connection */
    bool idle;             /* bit 5: and a wait before the first, where steps can end it */
};

/* What the server told of the command that runs. */
struct told {
    bool open, eof, closed;
    struct buf output; /* on both streams */
    struct buf out;    /* on stdout */
    bool has_status, is_signal;
    uint32_t status;
};

struct play {
    const uint8_t *at, *end; /* the steps that are left */
    struct settings settings;
    struct ssh_peer peer;
    enum stage stage;

    uint32_t channel, ours;      /* the client's and the server's number of the last one */
    uint32_t may_send, may_take; /* both windows */
    uint32_t packet_max;
    uint32_t first_grant;
    struct told told;
    bool fair, polite; /* a polite one does nothing for which a client may leave */
    unsigned count;    /* makes each byte of output another */

    const char *input; /* of the command */
    size_t input_len;
    struct buf taken; /* of it */
    bool taken_eof;

    struct buf output, out; /* that the client passed on, as in `told` */
    int reader;             /* of stdout's stream; -1 = none, or it has gone */
    bool reader_gone, stopped, over;
    int sleeps, waits, turns;
};

/* `fd` is the server's end of the connection, and `data`, of at least PLAY_SETTINGS bytes, stays the caller's. */
#define PLAY_SETTINGS 5
void play_init(struct play *play, const uint8_t *data, size_t size, int fd);
void play_done(struct play *play);
/* A turn, whenever the client would wait: the `poll_control` of struct remote_watch. */
int play_turn(void *arg);
/* Takes what stdout's stream holds. */
void play_read_stream(struct play *play);
