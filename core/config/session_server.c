/* core/config/session_server.c - what [session_server] must say: where is listened, and where GitLab finds us. */
#include <string.h>

#include "core/base/address.h"
#include "core/base/str.h"
#include "core/config/checks.h"

/* 0, 1 for every address of the machine, or negative. */
static int read_listen(const char *text)
{
    struct sockaddr_storage address;
    char shown[ADDRESS_TEXT_SIZE];
    int r = address_parse(text, CONFIG_SESSION_PORT, &address);

    if (r < 0)
        return r;
    address_format(&address, shown);
    return str_starts(shown, "0.0.0.0:") || str_starts(shown, "[::]:");
}

static void check_advertised(struct config_reading *reading, const struct toml_value *value)
{
    if (strpbrk(value->text, "/ ?#@") || value->text[0] == ':')
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[session_server] 'advertise_address' must be a host and its port, as "
                    "\"runner.example.com:8093\", without a scheme");
}

void check_session_server(struct config_reading *reading, const struct toml_value *value,
                          void *record)
{
    const struct config_session_server *server = record;
    const struct toml_value *listen = toml_find(value, "listen_address");
    const struct toml_value *advertised = toml_find(value, "advertise_address");
    int r;

    if (str_empty(server->listen_address)) {
        finding_add(reading, CONFIG_WARNING, value->place,
                    "[session_server] has no 'listen_address': there are no web terminals");
        return;
    }
    r = read_listen(server->listen_address);
    if (r < 0)
        finding_add(reading, CONFIG_ERROR, listen->place,
                    "[session_server] 'listen_address' must be an address of this machine and a "
                    "port, as \"0.0.0.0:8093\"");
    if (!str_empty(server->advertise_address))
        check_advertised(reading, advertised);
    else if (r == 1)
        finding_add(reading, CONFIG_ERROR, listen->place,
                    "[session_server] 'listen_address' is every address of this machine, so "
                    "'advertise_address' must say where GitLab finds it, as "
                    "\"runner.example.com:8093\"");
}
