/* core/provider/files.h - which files a provider worker may still open, once it knows its plugin and before it loads it
 * (hardening.md section 5); and the plugin's folder, which it has without rules, too. Called by worker.c and session.c.
 *
 * A list of what is allowed, for Landlock has no other: programs and libraries of the system, certificates, the clouds'
 * files in the home directory, what the plugin's own settings and the environment name, and the plugin's folder. Never
 * the state directory else, with the ledger, the logs and other plugins' folders, nor the configuration.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"

/* By the `load` or `inspect` request. A plugin whose instances are on this machine (FLT_CAP_THIS_MACHINE) is left as it is: what it
 * starts would have the rules, too, and so would all jobs. Negative errno. */
int files_confine(json_t *load, struct error *err);

/* A file that is allowed has been replaced, or is there now: the rules are about the one that was. */
bool files_outdated(void);

/* The plugin's folder in a host's state directory; it is made. The caller frees. */
int files_own_dir(const char *state_dir, const char *plugin, char **ret, struct error *err);

/* What this machine offers, as a sentence; false when that is nothing. */
bool files_describe(struct buf *out);
