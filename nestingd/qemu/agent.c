/* nestingd/qemu/agent.c - see agent.h. */
#include "nestingd/qemu/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "sdk/lib/base64.h"

enum { STATUS_PAUSE_MS = 20, SEED_BYTES = 64, SAID_MAX = 200 };

static int add_item(json_t *array, const char *text)
{
    json_t *item = json_object_new_string(text);

    if (item && json_object_array_add(array, item) == 0)
        return 0;
    json_object_put(item);
    return -ENOMEM;
}

/* {"path": "/bin/sh", "arg": ["-c", SCRIPT, "sh", ARGUMENTS…], …}; NULL without memory. */
static json_t *exec_request(const char *script, const char *const arguments[2])
{
    json_t *request = json_object_new_object(), *words = json_object_new_array();
    const char *const text[] = { "-c", script, "sh", arguments[0], arguments[1] };
    int r = request && words ? 0 : -ENOMEM;

    for (size_t i = 0; i < ARRAY_LEN(text) && r == 0; i++)
        r = add_item(words, text[i]);
    r = r ?: json_add_str(request, "path", "/bin/sh")
                 ?: json_add_bool(request, "capture-output", true);
    if (r == 0) {
        r = json_add(request, "arg", words);
        words = NULL;
    }
    if (r == 0)
        return request;
    json_object_put(words);
    json_object_put(request);
    return NULL;
}

/* The last line it wrote on its standard error. */
static void show_said(json_t *status, struct buf *out)
{
    const char *encoded = "";
    autofree char *said = NULL;
    const char *last;
    size_t len = 0;

    (void) json_opt_str(status, "err-data", &encoded, NULL);
    said = flt_base64_read(encoded, &len);
    while (said && len > 0 && said[len - 1] == '\n')
        said[--len] = '\0';
    last = said && len > 0 ? memrchr(said, '\n', len) : NULL;
    last = last ? last + 1 : said;
    if (last)
        str_display(out, last, len - (size_t) (last - said), SAID_MAX);
}

static int read_status(json_t *status, struct error *err)
{
    autobuf struct buf said = BUF_INIT;
    bool exited = false;
    int64_t code = -1;
    int r = json_opt_bool(status, "exited", &exited, err);

    if (r < 0)
        return r;
    if (!exited)
        return -EAGAIN;
    (void) json_opt_i64(status, "exitcode", 0, 255, &code, NULL);
    if (code == 0)
        return 0;
    show_said(status, &said);
    return error_set(err, -ENOTSUP, "exit status %lld (%s)", (long long) code, buf_str(&said));
}

static int ask_status(struct qmp *agent, const struct call *call, int64_t pid, struct error *err)
{
    json_t *arguments = json_object_new_object();
    autojson json_t *status = NULL;
    int r = arguments ? json_add_i64(arguments, "pid", pid) : -ENOMEM;

    if (r < 0) {
        json_object_put(arguments);
        return error_errno(err, r, "guest-exec-status");
    }
    r = qmp_ask(agent, call, "guest-exec-status", arguments, &status, err);
    return r ?: read_status(status, err);
}

/* An agent that refuses, by its settings, is a guest that can't. */
static int start_script(struct qmp *agent, const struct call *call, const char *script,
                        const char *const arguments[2], int64_t *ret_pid, struct error *err)
{
    autojson json_t *started = NULL;
    json_t *request = exec_request(script, arguments);
    int r;

    if (!request)
        return error_errno(err, -ENOMEM, "guest-exec");
    r = qmp_ask(agent, call, "guest-exec", request, &started, err);
    if (r == -EREMOTEIO)
        return error_wrap(err, -ENOTSUP, "the guest's agent");
    return r ?: json_need_i64(started, "pid", 1, INT64_MAX, ret_pid, err);
}

static int run_script(struct qmp *agent, const struct call *call, const char *script,
                      const char *const arguments[2], struct error *err)
{
    int64_t pid = 0;
    int r = start_script(agent, call, script, arguments, &pid, err);

    while (r == 0) {
        r = ask_status(agent, call, pid, err);
        if (r != -EAGAIN)
            return r;
        r = call_sleep(call, STATUS_PAUSE_MS, err);
    }
    return r;
}

int agent_settle(struct qmp *agent, const struct call *call, struct error *err)
{
    const char *const none[2] = { "", "" };
    int r = run_script(agent, call, settle_script, none, err);

    return r < 0 ? error_wrap(err, r, "the guest does not come to rest") : 0;
}

int agent_refresh(struct qmp *agent, const struct call *call, struct error *err)
{
    char now[24], seed[2 * SEED_BYTES + 1];
    const char *const arguments[2] = { now, seed };
    int r;

    (void) snprintf(now, sizeof(now), "%lld",
                    (long long) ((clock_wall_ms(&clock_system) + 500) / 1000));
    rng_hex(&rng_system, seed, SEED_BYTES);
    r = run_script(agent, call, refresh_script, arguments, err);
    return r < 0 ? error_wrap(err, r, "the guest can't be made different from others") : 0;
}

/* Whether jobs may be led there: a guest could name the host itself. */
static bool is_address(const char *text)
{
    struct in_addr address;
    uint32_t host;

    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    host = ntohl(address.s_addr);
    return host >> 24 != 127 && host >> 24 != 0 && host >> 28 < 0xe && host >> 16 != 0xa9fe;
}

static bool find_in(json_t *addresses, char addr[VM_ADDR_SIZE])
{
    for (size_t i = 0; i < json_object_array_length(addresses); i++) {
        json_t *item = json_object_array_get_idx(addresses, i);
        const char *text = "";

        if (json_object_is_type(item, json_type_object) &&
            json_opt_str(item, "ip-address", &text, NULL) == 0 && is_address(text))
            return str_copy(addr, VM_ADDR_SIZE, text) == 0;
    }
    return false;
}

int agent_find_address(struct qmp *agent, const struct call *call, const char *mac,
                       char addr[VM_ADDR_SIZE], struct error *err)
{
    autojson json_t *cards = NULL;
    int r = qmp_ask(agent, call, "guest-network-get-interfaces", NULL, &cards, err);

    if (r < 0)
        return r;
    if (!json_object_is_type(cards, json_type_array))
        return error_set(err, -EPROTO, "the guest's agent: its network cards are no list");
    for (size_t i = 0; i < json_object_array_length(cards); i++) {
        json_t *card = json_object_array_get_idx(cards, i), *addresses = NULL;
        const char *text = "";

        if (json_object_is_type(card, json_type_object) &&
            json_opt_str(card, "hardware-address", &text, NULL) == 0 &&
            strcasecmp(text, mac) == 0 &&
            json_opt_array(card, "ip-addresses", &addresses, NULL) == 0 && addresses &&
            find_in(addresses, addr))
            return 0;
    }
    return error_set(err, -ENOENT, "the guest has no address");
}
