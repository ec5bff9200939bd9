/* tests/unit/fleet/recount.h - what the fleet keeps count of, counted anew from its instances. */
#pragma once

#include "core/fleet/fleet.h"

/* Fails the test with `when` and what differs, unless every counter and every order that census.c keeps is what the
 * rules of autoscaler.md say of the instances as they are now. */
void recount(const struct fleet *fleet, const char *when);
