/* tests/fuzz/fuzz_qemu_answer.c - whatever QEMU's monitor or a guest's agent says: each message is of one kind, what is
 * none ends the reading with a sentence, and a port that is found in a text is one. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "nestingd/qemu/usernet.h"
#include "nestingd/qemu/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void look_for_port(json_t *body)
{
    unsigned port = 0;

    if (!json_object_is_type(body, json_type_string))
        return;
    require((usernet_find_port(json_object_get_string(body), &port) == 0) ==
            (port >= 1 && port <= 65535));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf in = BUF_INIT;
    struct error err = { 0 };
    int r = 1;

    buf_add(&in, data, size);
    if (size > 0 && data[0] == 0xff)
        require(wire_skip_to_mark(&in));
    while (r == 1) {
        autojson json_t *body = NULL;
        enum wire_kind kind = WIRE_EVENT;
        size_t before = in.len;

        err = (struct error) { 0 };
        r = wire_take(&in, &kind, &body, &err);
        require(r != 1 || in.len < before);
        require(r >= 0 || err.message[0]);
        require(!body || (r == 1 && kind == WIRE_RETURN));
        require(r != 1 || (kind == WIRE_ERROR) == (err.message[0] != '\0'));
        look_for_port(body);
    }
    return 0;
}
