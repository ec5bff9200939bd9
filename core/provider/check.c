/* core/provider/check.c - the rules of check.h. */
#include "core/provider/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include "core/base/str.h"

#define TEXT_MAX 4096
#define KEY_MAX (64 * 1024)
#define HOST_KEYS_MAX 16

static bool text_within(const char *text, size_t max)
{
    size_t len = text ? strnlen(text, max + 1) : max + 1;

    return len <= max && utf8_valid(text, len);
}

bool provider_text_valid(const char *text)
{
    return text_within(text, TEXT_MAX);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool dns_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 253 || name[0] == '-' || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
              is_digit(name[i]) || name[i] == '.' || name[i] == '-' || name[i] == '_'))
            return false;
    return true;
}

/* Resolvers take 127.1, 2130706433 and 0x7f.1 for addresses: no name ends in a number. */
static bool ends_in_number(const char *label, size_t len)
{
    if (len > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
        return true;
    for (size_t i = 0; i < len; i++)
        if (!is_digit(label[i]))
            return false;
    return len > 0;
}

static int check_name(const char *name, bool *ret_reserved, struct error *err)
{
    size_t len = strlen(name), label;

    if (dns_name(name) && name[len - 1] == '.')
        len--; /* of the root */
    for (label = len; label > 0 && name[label - 1] != '.'; label--)
        continue;
    if (!dns_name(name) || ends_in_number(name + label, len - label))
        return error_set(err, -EINVAL, "the address is neither an IP address nor a DNS name");
    *ret_reserved = len - label == strlen("localhost") &&
                    strncasecmp(name + label, "localhost", len - label) == 0;
    return 0;
}

static bool v4_reserved(const unsigned char b[4])
{
    return b[0] == 127 || b[0] == 0 || (b[0] == 169 && b[1] == 254) || b[0] >= 224;
}

static bool v6_reserved(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
           IN6_IS_ADDR_MULTICAST(a) || (IN6_IS_ADDR_V4MAPPED(a) && v4_reserved(&a->s6_addr[12]));
}

static struct in6_addr mapped(const struct in_addr *v4)
{
    struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

    memcpy(&a.s6_addr[12], v4, sizeof(*v4));
    return a;
}

static bool is_address_of(const struct sockaddr *ours, const struct in6_addr *a)
{
    struct in6_addr own;

    if (ours && ours->sa_family == AF_INET)
        own = mapped(&((const struct sockaddr_in *) (const void *) ours)->sin_addr);
    else if (ours && ours->sa_family == AF_INET6)
        own = ((const struct sockaddr_in6 *) (const void *) ours)->sin6_addr;
    else
        return false;
    return memcmp(&own, a, sizeof(own)) == 0;
}

static bool is_ours(const struct in6_addr *a)
{
    struct ifaddrs *list = NULL;
    bool found = false;

    if (getifaddrs(&list) < 0)
        return false;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next)
        found = is_address_of(at->ifa_addr, a);
    freeifaddrs(list);
    return found;
}

int provider_check_address(const char *address, bool this_machine, struct error *err)
{
    struct in6_addr v6;
    struct in_addr v4;
    bool reserved = false;
    int r = 0;

    if (inet_pton(AF_INET, address, &v4) == 1) {
        v6 = mapped(&v4);
        reserved = v6_reserved(&v6) || is_ours(&v6);
    } else if (inet_pton(AF_INET6, address, &v6) == 1) {
        reserved = v6_reserved(&v6) || is_ours(&v6);
    } else {
        r = check_name(address, &reserved, err);
    }
    if (r == 0 && reserved && !this_machine)
        return error_set(err, -EINVAL,
                         "the address %s is this machine's, link-local or no host's; only the "
                         "local and static providers may name it",
                         address);
    return r;
}

static int add_text(json_t *obj, const char *key, const char *text, size_t max, struct error *err)
{
    if (!text)
        return 0;
    if (!text_within(text, max))
        return error_set(err, -EINVAL, "%s is too long or no UTF-8", key);
    return json_add_str(obj, key, text);
}

static int add_address(json_t *obj, const char *key, const char *address, bool this_machine,
                       struct error *err)
{
    int r;

    if (str_empty(address))
        return 0;
    if (!text_within(address, TEXT_MAX))
        return error_set(err, -EINVAL, "%s is too long or no UTF-8", key);
    r = provider_check_address(address, this_machine, err);
    return r < 0 ? r : json_add_str(obj, key, address);
}

/* The keys lie in an array: its step is the size that they had where the plugin was built. */
static int check_host_keys(const struct flt_connect_info *info, struct error *err)
{
    uint32_t step = info->n_host_keys > 0 && info->host_keys ? info->host_keys->struct_size : 0;

    if (info->n_host_keys > HOST_KEYS_MAX)
        return error_set(err, -EINVAL, "%u host keys, %d are the most", info->n_host_keys,
                         HOST_KEYS_MAX);
    if (info->n_host_keys > 0 && !info->host_keys)
        return error_set(err, -EINVAL, "%u host keys, but no array of them", info->n_host_keys);
    if (info->n_host_keys > 0 && (step < FLT_HOST_KEY_SIZE_1_0 || step > TEXT_MAX || step % 8 != 0))
        return error_set(err, -EINVAL, "a host key of %u bytes, 1.0 has %u", step,
                         FLT_HOST_KEY_SIZE_1_0);
    return 0;
}

static int add_host_keys(json_t *obj, const struct flt_connect_info *info, struct error *err)
{
    const char *raw = (const char *) info->host_keys;
    json_t *array = json_object_new_array();
    int r = check_host_keys(info, err);

    for (uint32_t i = 0; r == 0 && i < info->n_host_keys; i++) {
        json_t *item = json_object_new_object();
        struct flt_host_key key = { 0 };

        memcpy(&key, raw + (size_t) i * info->host_keys->struct_size,
               MIN((size_t) info->host_keys->struct_size, sizeof(key)));
        if (!key.type || !key.key)
            r = error_set(err, -EINVAL, "a host key without its type or its text");
        if (r == 0)
            r = add_text(item, "type", key.type, 64, err);
        if (r == 0)
            r = add_text(item, "key", key.key, TEXT_MAX, err);
        (void) json_object_array_add(array, item);
    }
    (void) json_add(obj, "host_keys", array);
    return r;
}

int provider_connect_json(const struct flt_connect_info *info, uint64_t capabilities, json_t **ret,
                          struct error *err)
{
    autojson json_t *obj = json_object_new_object();
    const char *protocol = info->protocol ? info->protocol : "ssh";
    bool this_machine = (capabilities & FLT_CAP_THIS_MACHINE) != 0;
    int r;

    if (!obj)
        return error_set(err, -ENOMEM, "out of memory");
    if (!str_eq(protocol, "ssh") && !str_eq(protocol, "winrm") && !str_eq(protocol, "winrm+https"))
        return error_set(err, -EINVAL,
                         "invalid protocol: must be either winrm, ssh, or winrm+https");
    if (info->port > 65535)
        return error_set(err, -ERANGE, "protocol port is invalid: %u", info->port);
    if (str_empty(info->address) && str_empty(info->external_address))
        return error_set(err, -EINVAL, "it names no address");
    (void) json_add_str(obj, "protocol", info->protocol);
    if (info->port > 0)
        (void) json_add_i64(obj, "port", info->port);
    r = add_address(obj, "address", info->address, this_machine, err);
    if (r == 0)
        r = add_address(obj, "external_address", info->external_address, this_machine, err);
    if (r == 0)
        r = add_text(obj, "os", info->os, 64, err);
    if (r == 0)
        r = add_text(obj, "arch", info->arch, 64, err);
    if (r == 0)
        r = add_text(obj, "username", info->username, 256, err);
    if (r == 0)
        r = add_text(obj, "password", info->password, TEXT_MAX, err);
    if (r == 0)
        r = add_text(obj, "key", info->key, KEY_MAX, err);
    if (r == 0)
        r = add_host_keys(obj, info, err);
    if (r < 0)
        return r;
    (void) json_add_i64(obj, "expires_ms", info->expires_ms);
    *ret = take_ptr(obj);
    return 0;
}
