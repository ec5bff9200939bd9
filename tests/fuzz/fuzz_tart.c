/* tests/fuzz/fuzz_tart.c - what `tart` prints: whatever that is, it is read or refused with a sentence, and nothing that is
 * no address or no id of ours is taken for one.
 *
 * Input: a byte that says which command, then its output. A contradiction aborts. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/tart/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int look(void *arg, const struct tart_machine *machine)
{
    require(machine->name != NULL);
    if (tart_is_ours(machine->name))
        require(strlen(machine->name) < VM_ID_SIZE && !strpbrk(machine->name, "/. \n"));
    ++*(size_t *) arg;
    return 0;
}

static void try_list(const char *text, size_t len)
{
    struct error err = { 0 };
    size_t n = 0;

    require((tart_read_list(text, len, look, &n, &err) < 0) == (*err.message != '\0'));
}

static void try_get(const char *text, size_t len)
{
    struct need need = { 0 };
    struct error err = { 0 };

    require((tart_read_get(text, len, &need, &err) < 0) == (*err.message != '\0'));
    require(need.memory_bytes >= 0 && need.disk_bytes == 0 && need.cpus <= 1024);
}

static void try_address(const char *text, size_t len)
{
    char address[VM_ADDR_SIZE] = "";
    unsigned char bytes[16];

    if (tart_read_address(text, len, address, NULL) == 0)
        require(inet_pton(AF_INET, address, bytes) == 1 ||
                inet_pton(AF_INET6, address, bytes) == 1);
    else
        require(*address == '\0');
}

static void try_percent(const char *text)
{
    int percent = -1;

    require(tart_read_percent(text, &percent) == (percent >= 0));
    require(percent <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = size > 0 ? mem_strndup((const char *) data + 1, size - 1) : NULL;
    const char *bytes = (const char *) data + 1;

    if (!text)
        return 0;
    switch (data[0]) {
    case 'l':
        try_list(bytes, size - 1);
        break;
    case 'g':
        try_get(bytes, size - 1);
        break;
    case 'i':
        try_address(bytes, size - 1);
        break;
    default:
        try_percent(text);
    }
    return 0;
}
