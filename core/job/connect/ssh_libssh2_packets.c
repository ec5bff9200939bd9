/* core/job/connect/ssh_libssh2_packets.c - what libssh2 knows and does not tell.
 *
 * It cannot be asked whether an exit status came (0 stands for both), of two it tells the last, and of output on two
 * streams it does not tell which came first. But every packet that came is in memory from our allocator, decrypted,
 * and given back when it has been dealt with; there it is looked at. Should a later version handle its packets
 * otherwise, no command has an exit status any more, which fails each of them and every test of this back end.
 */
#include <stddef.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_exit.h"
#include "core/job/connect/ssh_libssh2.h"
#include "core/job/connect/ssh_wire.h"

#define LARGEST (16 << 20) /* of one piece of memory: lengths come from the server */

enum message {
    OPEN_CONFIRMATION = 91,
    OPEN_FAILURE = 92,
    CHANNEL_DATA = 94,
    EXTENDED_DATA = 95,
    CHANNEL_REQUEST = 98
};

struct block {
    size_t size;
    _Alignas(max_align_t) unsigned char data[];
};

static struct block *block_of(void *data)
{
    return (struct block *) ((char *) data - offsetof(struct block, data));
}

static void see_request(struct ssh_packets *packets, struct ssh_wire packet)
{
    struct ssh_wire type, name;
    uint32_t status;

    if (!ssh_wire_string(&packet, &type) || packet.left < 1)
        return;
    packet.at++; /* whether it wants a reply */
    packet.left--;
    if (ssh_wire_is(&type, "exit-status") && ssh_wire_u32(&packet, &status))
        ssh_exit_status(&packets->exit, status);
    if (ssh_wire_is(&type, "exit-signal") && ssh_wire_string(&packet, &name)) {
        char text[sizeof(packets->exit.signal)] = "";

        memcpy(text, name.at, MIN(name.left, sizeof(text) - 1));
        ssh_exit_signal(&packets->exit, text);
    }
}

static void see_data(struct ssh_packets *packets, struct ssh_wire packet, bool is_stderr)
{
    struct ssh_segment segment = { .is_stderr = is_stderr };
    uint32_t kind;
    struct ssh_wire data;

    if (is_stderr && !ssh_wire_u32(&packet, &kind))
        return;
    if (!ssh_wire_string(&packet, &data))
        return;
    segment.len = (uint32_t) data.left;
    buf_add(&packets->segments, &segment, sizeof(segment));
}

static void see_refusal(struct ssh_packets *packets, struct ssh_wire packet)
{
    struct ssh_refusal *refusal = &packets->refusal;
    struct ssh_wire words;

    if (!ssh_wire_u32(&packet, &refusal->reason) || !ssh_wire_string(&packet, &words))
        return;
    memcpy(refusal->words, words.at, MIN(words.left, sizeof(refusal->words) - 1));
    refusal->words[MIN(words.left, sizeof(refusal->words) - 1)] = '\0';
}

/* A packet, or anything else of the library's. Only a server can make other things look like packets, and it can send
 * those as well. */
static void see(struct ssh_packets *packets, struct ssh_wire packet)
{
    enum message message;
    uint32_t channel;

    if (packet.left < 1)
        return;
    message = packet.at[0];
    packet.at++;
    packet.left--;
    if (!ssh_wire_u32(&packet, &channel))
        return;
    if (message == OPEN_CONFIRMATION && packets->opening)
        packets->channel = channel;
    if (message == OPEN_FAILURE)
        see_refusal(packets, packet);
    if (channel != packets->channel)
        return;
    if (message == CHANNEL_REQUEST)
        see_request(packets, packet);
    if (message == CHANNEL_DATA || message == EXTENDED_DATA)
        see_data(packets, packet, message == EXTENDED_DATA);
}

static LIBSSH2_ALLOC_FUNC(allocate)
{
    struct block *block = count <= LARGEST ? mem_zero(sizeof(*block) + count) : NULL;

    if (!block)
        return NULL;
    block->size = count;
    return block->data;
}

void *ssh_packets_dup(const void *data, size_t len)
{
    void *copy = allocate(len, NULL);

    return copy ? memcpy(copy, data, len) : NULL;
}

static LIBSSH2_REALLOC_FUNC(reallocate)
{
    struct block *block = ptr ? block_of(ptr) : NULL;
    struct block *larger = count <= LARGEST ? mem_resize(block, 1, sizeof(*block) + count) : NULL;

    if (!larger)
        return NULL;
    larger->size = count;
    return larger->data;
}

static LIBSSH2_FREE_FUNC(release)
{
    struct ssh_conn *conn = *abstract;

    if (!ptr)
        return;
    see(&conn->packets, (struct ssh_wire) { block_of(ptr)->data, block_of(ptr)->size });
    free(block_of(ptr));
}

LIBSSH2_SESSION *ssh_packets_session(struct ssh_conn *conn)
{
    return libssh2_session_init_ex(allocate, release, reallocate, conn);
}
