/* helper/archive/path.h - relative paths in their one clean form: no empty component, no ".", no
 * "..". Pure.
 */
#pragma once

#include <stdbool.h>

enum path_up {
    PATH_UP_RESOLVED, /* ".." takes the component before it away */
    PATH_UP_REFUSED
};

/* In place; "" is where the path begins. False when it leads out of there, or has a ".." that is
 * refused. */
bool path_make_clean(char *path, enum path_up up);
