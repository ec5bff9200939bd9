/* core/base/glob.h - patterns of paths as GitLab reads them: `*` and `?` within a folder, [sets],
 * {alternatives}. Files that begin with a dot match like others. Pure.
 */
#pragma once

#include <stdbool.h>

enum glob_stars {
    GLOB_FOLDERS, /* rules: the path's part that is two stars stands for any number of folders */
    GLOB_ANYTHING /* include: two stars stand for anything, slashes included */
};

bool glob_match(const char *pattern, const char *path, enum glob_stars stars);
bool glob_is_pattern(const char *text); /* it has one of the signs */
