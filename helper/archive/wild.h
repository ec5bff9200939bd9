/* helper/archive/wild.h - one component of a pattern against one name: *, ?, [sets], a backslash
 * before what is meant as it is. Characters are UTF-8's; a byte that is none stands for itself. Pure.
 */
#pragma once

#include <stdbool.h>

bool wild_match(const char *pattern, const char *name);
/* It has a sign, and so does not only stand for itself. */
bool wild_is_wild(const char *pattern);
/* Every set has its end and every backslash what it guards. */
bool wild_is_whole(const char *pattern);
