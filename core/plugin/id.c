/* core/plugin/id.c - see the header (hardening.md V12). */
#include <string.h>

#include "core/plugin/plugin.h"

#define ID_MAX 255

bool plugin_id_valid(const char *id)
{
    size_t len = id ? strnlen(id, ID_MAX + 1) : 0;

    if (len == 0 || len > ID_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
              (id[i] >= '0' && id[i] <= '9') || strchr("._:/-", id[i])))
            return false;
    return true;
}
