/* nestingd/host.h - what this machine has for VMs when nobody says otherwise. Used by vms.c.
 */
#pragma once

#include "nestingd/room.h"

/* Its memory, the disk that is free below the folder, and twice its CPUs, for VMs seldom use theirs all at once. What can't
 * be found out is no limit. */
struct room_limits host_limits(int folder_fd);
