/* helper/extract.h - an archive in a file, unpacked where the command was started. */
#pragma once

/* The exit status; what is wrong has been said. */
int extract_here(int archive_fd);
