/* nestingd/tart/settings.c - see settings.h. */
#include "nestingd/tart/settings.h"

#include <errno.h>

#include "core/base/str.h"

void tart_settings_init(struct tart_settings *settings)
{
    *settings = (struct tart_settings) {
        .softnet = true, .resolver = "dhcp", .address_timeout_s = 300, .prune_limit_gb = -1
    };
}

static int read_network(json_t *object, struct tart_settings *settings, struct error *err)
{
    const char *network = settings->softnet ? "softnet" : "shared";
    int r = json_opt_str(object, "network", &network, err);

    if (r == 0 && !str_eq(network, "softnet") && !str_eq(network, "shared"))
        r = error_set(err, -EINVAL, "network: \"%s\" is neither softnet nor shared", network);
    if (r == 0)
        settings->softnet = str_eq(network, "softnet");
    return r;
}

static int read_resolver(json_t *object, struct tart_settings *settings, struct error *err)
{
    const char *resolver = settings->resolver;
    int r = json_opt_str(object, "resolver", &resolver, err);

    if (r == 0 && !str_eq(resolver, "dhcp") && !str_eq(resolver, "agent"))
        r = error_set(err, -EINVAL, "resolver: \"%s\" is neither dhcp nor agent", resolver);
    return r < 0 ? r : str_copy(settings->resolver, sizeof(settings->resolver), resolver);
}

int tart_settings_read(struct tart_settings *settings, const json_t *object, struct error *err)
{
    struct tart_settings new = *settings;
    json_t *from = (json_t *) (uintptr_t) object; /* json-c has no const getters; none changes it */
    int r = read_network(from, &new, err);

    if (r == 0)
        r = read_resolver(from, &new, err);
    if (r == 0) /* `tart ip --wait` takes 16 bits */
        r = json_opt_i64(from, "address_timeout", 1, UINT16_MAX, &new.address_timeout_s, err);
    if (r == 0)
        r = json_opt_bool(from, "insecure", &new.insecure, err);
    if (r == 0)
        r = json_opt_i64(from, "concurrency", 1, 64, &new.concurrency, err);
    if (r == 0)
        r = json_opt_i64(from, "prune_limit", 0, 1024 * 1024, &new.prune_limit_gb, err);
    if (r == 0)
        *settings = new;
    return r;
}

bool tart_settings_know(const char *key)
{
    static const char *const keys[] = { "network",  "resolver",    "address_timeout",
                                        "insecure", "concurrency", "prune_limit" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, keys[i]))
            return true;
    return false;
}
