/* core/config/web.c - where metrics and the status page are served, and how: listen_address and [web]. */
#include <string.h>

#include "core/base/address.h"
#include "core/base/str.h"
#include "core/config/checks.h"

#define HOST_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

void check_listen_address(struct config_reading *reading, const struct toml_value *value,
                          void *record)
{
    struct sockaddr_storage address;

    (void) record;
    if (!str_empty(value->text) && address_parse(value->text, CONFIG_WEB_PORT, &address) < 0)
        finding_add(reading, CONFIG_ERROR, value->place,
                    "'listen_address' must be HOST:PORT, HOST or :PORT with a number or localhost "
                    "for HOST, such as \"127.0.0.1:9252\" or \":9252\"");
}

static bool is_host_name(const char *text)
{
    return !str_empty(text) && strspn(text, HOST_NAME_CHARS) == strlen(text);
}

void check_host_names(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    for (size_t i = 0; i < value->n_items; i++)
        if (!is_host_name(value->items[i].text))
            finding_add(reading, CONFIG_ERROR, value->items[i].place,
                        "[web] 'host_names' item %zu must be a name without a port, such as "
                        "\"ci-manager.example.com\"",
                        i + 1);
}

void check_web(struct config_reading *reading, const struct toml_value *table, void *record)
{
    const struct config_web *web = record;

    if (str_empty(web->certificate_file) != str_empty(web->key_file))
        finding_add(reading, CONFIG_ERROR, table->place,
                    "[web] 'certificate_file' and 'key_file' must both be set, or none of them");
}
