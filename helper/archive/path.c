/* helper/archive/path.c - one component after the other, copied to where it belongs. */
#include "helper/archive/path.h"

#include <stddef.h>
#include <string.h>

bool path_make_clean(char *path, enum path_up up)
{
    size_t kept = 0, from = 0;

    while (path[from]) {
        size_t len = strcspn(path + from, "/");
        bool more = path[from + len] == '/';

        if (len == 2 && memcmp(path + from, "..", 2) == 0) {
            if (up == PATH_UP_REFUSED || kept == 0)
                return false;
            while (kept > 0 && path[--kept] != '/')
                ;
        } else if (len > 0 && !(len == 1 && path[from] == '.')) {
            if (kept > 0)
                path[kept++] = '/';
            memmove(path + kept, path + from, len);
            kept += len;
        }
        from += len + more;
    }
    path[kept] = '\0';
    return true;
}
