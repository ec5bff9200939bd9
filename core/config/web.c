/* core/config/web.c - where metrics and the status page are served, and how: listen_address and [web]. */
#include "core/base/address.h"
#include "core/base/str.h"
#include "core/config/checks.h"

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

void check_web(struct config_reading *reading, const struct toml_value *table, void *record)
{
    const struct config_web *web = record;

    if (str_empty(web->certificate_file) != str_empty(web->key_file))
        finding_add(reading, CONFIG_ERROR, table->place,
                    "[web] 'certificate_file' and 'key_file' must both be set, or none of them");
}
