/* tests/fuzz/ssh_play.c - see the header. */
#include "tests/fuzz/ssh_play.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/job/connect/ssh_wire.h"

#define require ssh_peer_require

#define TURNS_MAX 4096
#define PACKET_MAX 32768

enum message {
    DISCONNECT = 1,
    IGNORE = 2,
    UNIMPLEMENTED = 3,
    DEBUG = 4,
    SERVICE_REQUEST = 5,
    SERVICE_ACCEPT = 6,
    USERAUTH_REQUEST = 50,
    USERAUTH_FAILURE = 51,
    USERAUTH_SUCCESS = 52,
    USERAUTH_INFO_REQUEST = 60,
    GLOBAL_REQUEST = 80,
    REQUEST_FAILURE = 82,
    CHANNEL_OPEN = 90,
    OPEN_CONFIRMATION = 91,
    WINDOW_ADJUST = 93,
    CHANNEL_DATA = 94,
    EXTENDED_DATA = 95,
    CHANNEL_EOF = 96,
    CHANNEL_CLOSE = 97,
    CHANNEL_REQUEST = 98,
    CHANNEL_SUCCESS = 99,
};

/* Reading the steps. */

static uint32_t number(struct play *play, int bytes)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | (play->at < play->end ? *play->at++ : 0);
    return value;
}

/* The server's packets. */

static void send_packet(struct play *play, const struct buf *packet)
{
    require(buf_error(packet) == 0, "memory");
    ssh_peer_send(&play->peer, packet->data, packet->len);
}

static void send_message(struct play *play, enum message message)
{
    ssh_peer_send(&play->peer, &(char) { (char) message }, 1);
}

static uint32_t addressed(const struct play *play, uint8_t step)
{
    return step & STEP_OTHER_CHANNEL ? play->channel ^ 1 : play->channel;
}

/* Whether what is said now counts for the command. What a server says behind its close, or before it opened the
 * channel, breaks the protocol. */
static bool counts(struct play *play, uint8_t step)
{
    bool to_us = !(step & STEP_OTHER_CHANNEL);

    play->polite = play->polite && to_us;
    if (to_us && (!play->told.open || play->told.closed))
        play->fair = false;
    return to_us && play->told.open && !play->told.closed;
}

static void begin_channel(struct play *play, uint8_t step, enum message message, struct buf *packet)
{
    buf_add_char(packet, (char) message);
    ssh_peer_put_u32(packet, addressed(play, step));
}

/* Each byte differs from its neighbours, and one of stderr has its highest bit set. */
static void make_output(struct play *play, bool is_stderr, uint32_t len, struct buf *out)
{
    require(buf_reserve(out, len) == 0, "memory");
    for (uint32_t i = 0; i < len; i++)
        out->data[i] = (char) ((play->count++ * 167 >> 3 & 0x7f) | (is_stderr ? 0x80 : 0));
    out->len = len;
}

static void step_output(struct play *play, uint8_t step, bool is_stderr)
{
    autobuf struct buf packet = BUF_INIT, text = BUF_INIT;
    uint32_t len = number(play, 2) % (PACKET_MAX + 1);
    bool flood = (step & 15) == STEP_FLOOD, heard = counts(play, step);

    if (!flood)
        len = MIN(len, MIN(play->may_send, play->packet_max));
    if (flood || play->told.eof)
        play->fair = false;
    make_output(play, is_stderr, len, &text);
    begin_channel(play, step, is_stderr ? EXTENDED_DATA : CHANNEL_DATA, &packet);
    if (is_stderr)
        ssh_peer_put_u32(&packet, 1);
    ssh_peer_put(&packet, buf_str(&text), text.len);
    send_packet(play, &packet);
    play->may_send -= heard ? MIN(len, play->may_send) : 0;
    if (heard)
        buf_add(&play->told.output, buf_str(&text), text.len);
    if (heard && !is_stderr)
        buf_add(&play->told.out, buf_str(&text), text.len);
}

static void step_grant(struct play *play, uint8_t step)
{
    autobuf struct buf packet = BUF_INIT;
    uint32_t more = number(play, 2);

    begin_channel(play, step, WINDOW_ADJUST, &packet);
    ssh_peer_put_u32(&packet, more);
    send_packet(play, &packet);
    if (counts(play, step))
        play->may_take += more;
}

static void step_end(struct play *play, uint8_t step, enum message message)
{
    autobuf struct buf packet = BUF_INIT;

    begin_channel(play, step, message, &packet);
    send_packet(play, &packet);
    if (!counts(play, step))
        return;
    if (message == CHANNEL_CLOSE)
        play->told.closed = true;
    play->told.eof = true;
    if (play->stage != RUNNING)
        play->polite = false;
}

static void begin_request(struct play *play, uint8_t step, const char *name, bool wants_reply,
                          struct buf *packet)
{
    begin_channel(play, step, CHANNEL_REQUEST, packet);
    ssh_peer_put_text(packet, name);
    buf_add_char(packet, wants_reply);
}

static void step_status(struct play *play, uint8_t step)
{
    autobuf struct buf packet = BUF_INIT;
    uint32_t status = number(play, 4);

    begin_request(play, step, "exit-status", false, &packet);
    ssh_peer_put_u32(&packet, status);
    send_packet(play, &packet);
    if (!counts(play, step) || play->told.has_status)
        return;
    play->told.has_status = true;
    play->told.status = status;
}

static void step_signal(struct play *play, uint8_t step)
{
    static const char *const names[] = { "KILL", "TERM", "", "A-NAME-LONGER-THAN-ANY-SIGNAL'S" };
    autobuf struct buf packet = BUF_INIT;

    begin_request(play, step, "exit-signal", false, &packet);
    ssh_peer_put_text(&packet, names[number(play, 1) % ARRAY_LEN(names)]);
    buf_add_char(&packet, 0);
    ssh_peer_put_text(&packet, "why");
    ssh_peer_put_text(&packet, "");
    send_packet(play, &packet);
    if (!counts(play, step) || play->told.has_status)
        return;
    play->told.has_status = play->told.is_signal = true;
}

/* Those of an exit without what they must hold say nothing. */
static void step_request(struct play *play, uint8_t step)
{
    static const char *const names[] = { "eow@openssh.com", "keepalive@openssh.com", "exec",
                                         "exit-status",     "exit-signal",           "" };
    autobuf struct buf packet = BUF_INIT;
    uint32_t which = number(play, 1);
    const char *name = names[(which & 127) % ARRAY_LEN(names)];

    begin_request(play, step, name, which & 128, &packet);
    send_packet(play, &packet);
    if (str_starts(name, "exit-") || str_empty(name))
        play->fair = play->polite = false;
    (void) counts(play, step);
}

static void step_global(struct play *play)
{
    static const char *const names[] = { "keepalive@openssh.com", "hostkeys-00@openssh.com",
                                         "tcpip-forward", "" };
    autobuf struct buf packet = BUF_INIT;
    uint32_t which = number(play, 1);

    buf_add_char(&packet, GLOBAL_REQUEST);
    ssh_peer_put_text(&packet, names[(which & 127) % ARRAY_LEN(names)]);
    buf_add_char(&packet, (which & 128) != 0);
    ssh_peer_put_text(&packet, "0.0.0.0");
    ssh_peer_put_u32(&packet, 22);
    send_packet(play, &packet);
}

/* The client opens channels, nobody else. */
static void step_open(struct play *play)
{
    static const char *const kinds[] = { "session", "x11", "auth-agent@openssh.com",
                                         "forwarded-tcpip", "direct-tcpip" };
    autobuf struct buf packet = BUF_INIT;

    buf_add_char(&packet, (char) CHANNEL_OPEN);
    ssh_peer_put_text(&packet, kinds[number(play, 1) % ARRAY_LEN(kinds)]);
    ssh_peer_put_u32(&packet, 77);
    ssh_peer_put_u32(&packet, PACKET_MAX);
    ssh_peer_put_u32(&packet, PACKET_MAX);
    ssh_peer_put_text(&packet, "127.0.0.1");
    ssh_peer_put_u32(&packet, 22);
    ssh_peer_put_text(&packet, "127.0.0.1");
    ssh_peer_put_u32(&packet, 1);
    send_packet(play, &packet);
    play->polite = false;
}

static void step_transport(struct play *play)
{
    static const enum message messages[] = { IGNORE, DEBUG, UNIMPLEMENTED, DISCONNECT };
    autobuf struct buf packet = BUF_INIT;
    enum message message = messages[number(play, 1) % ARRAY_LEN(messages)];

    buf_add_char(&packet, (char) message);
    if (message == DEBUG)
        buf_add_char(&packet, 1);
    if (message == DISCONNECT || message == UNIMPLEMENTED)
        ssh_peer_put_u32(&packet, 2);
    if (message != UNIMPLEMENTED)
        ssh_peer_put_text(&packet, "text");
    if (message == DEBUG || message == DISCONNECT)
        ssh_peer_put_text(&packet, "");
    send_packet(play, &packet);
    play->polite = play->polite && message == IGNORE;
}

/* libssh2 1.10 believes the lengths in a question for the password, and reads past its end (mended in 1.11). What it
 * read goes nowhere; at worst it ends the worker. */
static bool is_known_fault(const struct play *play)
{
#ifdef WITH_LIBSSH2
    return play->at[0] == USERAUTH_INFO_REQUEST && play->stage == CONNECTED;
#else
    return false;
#endif
}

/* In a packet what is at the place of a channel's number counts from the client's. */
static void step_raw(struct play *play, bool is_packet)
{
    autobuf struct buf bytes = BUF_INIT;
    size_t len = number(play, 1);
    struct ssh_wire wire;
    uint32_t channel;

    len = MIN(len, (size_t) (play->end - play->at));
    wire = (struct ssh_wire) { play->at + 1, len - MIN(len, (size_t) 1) };
    play->fair = play->polite = false;
    if (is_packet && ssh_wire_u32(&wire, &channel)) {
        buf_add_char(&bytes, (char) play->at[0]);
        ssh_peer_put_u32(&bytes, channel + play->channel);
        buf_add(&bytes, wire.at, wire.left);
    } else {
        buf_add(&bytes, play->at, len);
    }
    if (is_packet && len > 0 && !is_known_fault(play))
        send_packet(play, &bytes);
    else if (!is_packet)
        ssh_peer_send_bytes(&play->peer, buf_str(&bytes), len);
    play->at += len;
}

static void step_reader(struct play *play)
{
    uint32_t what = number(play, 1);

    if (what == 254) {
        play->stopped = true;
    } else if (what == 255 && play->reader >= 0) {
        (void) close(play->reader);
        play->reader = -1;
        play->reader_gone = true;
    } else {
        play->sleeps = (int) (what & 15);
    }
}

static void play_step(struct play *play)
{
    uint8_t step = (uint8_t) number(play, 1);

    switch ((enum step)(step & 15)) {
    case STEP_OUT:
    case STEP_ERR:
    case STEP_FLOOD:
        step_output(play, step, (step & 15) == STEP_ERR);
        break;
    case STEP_GRANT:
        step_grant(play, step);
        break;
    case STEP_EOF:
    case STEP_CLOSE:
        step_end(play, step, (step & 15) == STEP_EOF ? CHANNEL_EOF : CHANNEL_CLOSE);
        break;
    case STEP_STATUS:
        step_status(play, step);
        break;
    case STEP_SIGNAL:
        step_signal(play, step);
        break;
    case STEP_REQUEST:
        step_request(play, step);
        break;
    case STEP_GLOBAL:
        step_global(play);
        break;
    case STEP_OPEN:
        step_open(play);
        break;
    case STEP_TRANSPORT:
        step_transport(play);
        break;
    case STEP_PACKET:
    case STEP_BYTES:
        step_raw(play, (step & 15) == STEP_PACKET);
        break;
    case STEP_WAIT:
        play->waits = (int) (number(play, 1) & 15) + 1;
        break;
    case STEP_READER:
        step_reader(play);
        break;
    }
}

/* What the client sends. */

static void log_in(struct play *play, struct ssh_wire wire)
{
    autobuf struct buf packet = BUF_INIT;
    struct ssh_wire user, service, method = { 0 };

    require(ssh_wire_string(&wire, &user) && ssh_wire_string(&wire, &service) &&
                ssh_wire_string(&wire, &method),
            "the client logs in by an odd packet");
    if (ssh_wire_is(&method, "password")) {
        send_message(play, USERAUTH_SUCCESS);
        play->stage = MIN(play->stage, LOGGED_IN);
        return;
    }
    buf_add_char(&packet, USERAUTH_FAILURE);
    ssh_peer_put_text(&packet, "password");
    buf_add_char(&packet, 0);
    send_packet(play, &packet);
}

static void accept_service(struct play *play, struct ssh_wire wire)
{
    autobuf struct buf packet = BUF_INIT;

    buf_add_char(&packet, SERVICE_ACCEPT);
    buf_add(&packet, wire.at, wire.left);
    send_packet(play, &packet);
}

static void told_done(struct told *told)
{
    buf_done(&told->output);
    buf_done(&told->out);
    *told = (struct told) { 0 };
}

static void open_channel(struct play *play, struct ssh_wire wire)
{
    autobuf struct buf packet = BUF_INIT;
    struct ssh_wire kind = { 0 };

    require(ssh_wire_string(&wire, &kind) && ssh_wire_is(&kind, "session") &&
                ssh_wire_u32(&wire, &play->channel) && ssh_wire_u32(&wire, &play->may_send) &&
                ssh_wire_u32(&wire, &play->packet_max),
            "the client opens an odd channel");
    told_done(&play->told);
    play->told.open = true;
    play->may_take = play->first_grant;
    buf_clear(&play->taken);
    play->taken_eof = false;
    buf_add_char(&packet, (char) OPEN_CONFIRMATION);
    ssh_peer_put_u32(&packet, play->channel);
    ssh_peer_put_u32(&packet, ++play->ours);
    ssh_peer_put_u32(&packet, play->first_grant);
    ssh_peer_put_u32(&packet, PACKET_MAX);
    send_packet(play, &packet);
    play->stage = OPENED;
}

static void take_request(struct play *play, struct ssh_wire wire)
{
    autobuf struct buf packet = BUF_INIT;
    struct ssh_wire name = { 0 };
    uint32_t channel;

    require(ssh_wire_u32(&wire, &channel) && ssh_wire_string(&wire, &name) && wire.left > 0,
            "the client makes an odd request");
    if (!ssh_wire_is(&name, "exec"))
        return;
    begin_channel(play, 0, CHANNEL_SUCCESS, &packet);
    send_packet(play, &packet);
    play->stage = RUNNING;
}

static void take_input(struct play *play, struct ssh_wire wire)
{
    struct ssh_wire data = { 0 };
    uint32_t channel = 0;

    require(ssh_wire_u32(&wire, &channel) && ssh_wire_string(&wire, &data), "odd input");
    if (channel != play->ours)
        return;
    buf_add(&play->taken, data.at, data.left);
    if (!play->fair)
        return;
    require(data.left <= play->may_take, "the client sends more than the window allows");
    play->may_take -= (uint32_t) data.left;
    require(!play->taken_eof, "the client sends behind its own end");
    require(play->taken.len <= play->input_len &&
                memcmp(play->taken.data, play->input, play->taken.len) == 0,
            "the command gets what is not its input");
}

/* Not that of a channel in which nothing runs. */
static void take_end(struct play *play, struct ssh_wire wire)
{
    uint32_t channel = 0;

    require(ssh_wire_u32(&wire, &channel), "an odd end");
    if (channel != play->ours || play->stage != RUNNING)
        return;
    require(!play->fair || play->taken.len == play->input_len,
            "the client ends the input before its end");
    play->taken_eof = true;
}

static void take_grant(struct play *play, struct ssh_wire wire)
{
    uint32_t channel = 0, more = 0;

    require(ssh_wire_u32(&wire, &channel) && ssh_wire_u32(&wire, &more), "an odd window");
    if (channel == play->ours)
        play->may_send += MIN(more, UINT32_MAX - play->may_send);
}

static void take_message(struct play *play, const struct buf *payload)
{
    struct ssh_wire wire = { (unsigned char *) payload->data + 1, payload->len - 1 };

    switch ((unsigned char) payload->data[0]) {
    case SERVICE_REQUEST:
        accept_service(play, wire);
        break;
    case USERAUTH_REQUEST:
        log_in(play, wire);
        break;
    case GLOBAL_REQUEST:
        send_message(play, REQUEST_FAILURE);
        break;
    case CHANNEL_OPEN:
        open_channel(play, wire);
        break;
    case OPEN_CONFIRMATION:
        require(false, "the client lets the server open a channel");
        break;
    case CHANNEL_REQUEST:
        take_request(play, wire);
        break;
    case WINDOW_ADJUST:
        take_grant(play, wire);
        break;
    case CHANNEL_DATA:
        take_input(play, wire);
        break;
    case CHANNEL_EOF:
        take_end(play, wire);
        break;
    default:
        break;
    }
}

/* A turn of the server, whenever the client would wait. */

void play_read_stream(struct play *play)
{
    char piece[4096];
    ssize_t n;

    while (play->reader >= 0 && (n = read(play->reader, piece, sizeof(piece))) > 0)
        buf_add(&play->out, piece, (size_t) n);
}

static bool has_begun(const struct play *play)
{
    return play->peer.established && play->stage <= play->settings.begins;
}

/* When there are no more steps, the server hangs up; what it sent may still be read. */
static void play_steps(struct play *play)
{
    if (!has_begun(play))
        return;
    if (play->waits > 0)
        play->waits--;
    while (play->waits == 0 && !play->stopped && play->at < play->end)
        play_step(play);
    if (play->waits == 0 && play->at == play->end && ssh_peer_flush(&play->peer) && !play->over) {
        (void) shutdown(play->peer.fd, SHUT_WR);
        play->over = true;
    }
}

int play_turn(void *arg)
{
    struct play *play = arg;
    autobuf struct buf payload = BUF_INIT;

    if (play->stopped) {
        play->stopped = false;
        return -ECANCELED;
    }
    if (play->sleeps > 0)
        play->sleeps--;
    else
        play_read_stream(play);
    while (ssh_peer_receive(&play->peer, &payload))
        take_message(play, &payload);
    play_steps(play);
    (void) ssh_peer_flush(&play->peer);
    require(++play->turns < TURNS_MAX, "the client waits for what cannot come");
    return 0;
}

/* Beginning and end. */

static void read_settings(struct play *play, const uint8_t *data)
{
    static char input[255 * 255];

    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (char) (i * 31 >> 2);
    play->settings =
        (struct settings) { .begins = (enum stage)(data[0] & 3),
                            .stdout_is_stream = (data[0] & 4) != 0,
                            .stdin_is_stream = (data[0] & 8) != 0,
                            .twice = (data[0] & 16) != 0,
                            .idle = (data[0] & 32) != 0 && (data[0] & 3) >= LOGGED_IN };
    play->first_grant = (uint32_t) data[1] * data[2];
    play->input = input;
    play->input_len = (size_t) data[3] * data[4];
}

void play_init(struct play *play, const uint8_t *data, size_t size, int fd)
{
    *play = (struct play) { .at = data + PLAY_SETTINGS,
                            .end = data + size,
                            .stage = CONNECTED,
                            .fair = true,
                            .polite = true,
                            .reader = -1 };
    read_settings(play, data);
    ssh_peer_init(&play->peer, fd);
}

void play_done(struct play *play)
{
    told_done(&play->told);
    ssh_peer_done(&play->peer);
    (void) close(play->peer.fd);
    buf_done(&play->taken);
    buf_done(&play->output);
    buf_done(&play->out);
}
