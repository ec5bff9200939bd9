/* core/job/probe.h - a look at an instance without a job: hidden subcommand `probe`, which
 * `flotilla plugin try` starts by exec, so that none of the configuration's secrets are in it.
 *
 * Everything read from the instance is hostile: the probe confines itself as a job worker does
 * (sandbox.h) before it connects. Link on descriptor 3, in frames (docs/design/processes.md). */
#pragma once

int probe_main(void);
