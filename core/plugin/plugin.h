/* core/plugin/plugin.h - from a name in config.toml to a provider or an isolation that may be called.
 *
 * find (name → file) → check the file and its ELF tables, before any code of it runs → dlopen →
 * admit (the descriptor's numbers) → a copied descriptor. Each refusal is one sentence with both
 * values. Nothing is ever unloaded.
 */
#pragma once

#include <flotilla/isolation.h>
#include <flotilla/provider.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/error.h"

/* The .so that a plugin name stands for (architecture.md §7). `dirs` is --plugin-dir
 * (colon-separated, may be NULL), searched before FLOTILLA_PLUGIN_PATH, the installed folder and
 * PATH. `notice` receives a sentence when a part of the name was ignored. The caller frees
 * *ret_file. */
int plugin_find(const char *name, const char *dirs, char **ret_file, struct buf *notice,
                struct error *err);

/* Calls back for every candidate *.so of the plugin path, in its order. */
void plugin_each(const char *dirs, void (*on_file)(void *arg, const char *file), void *arg);

/* Opens the file after checking that only root or we can have written it or its directory
 * (hardening.md L1); the descriptor is what is loaded. */
int plugin_open_file(const char *file, int *ret_fd, struct error *err);

/* Looks into the ELF tables: the entry symbol is there, no text relocations, no executable stack
 * (L2). What else is exported, plugin_each_export() tells. */
int plugin_check_elf(int fd, const char *entry, struct error *err);
/* Names of the symbols it exports, for `plugin check`. */
int plugin_each_export(int fd, void (*on_symbol)(void *arg, const char *name), void *arg,
                       struct error *err);

/* Checks the descriptor and copies what this host knows of it (anchors: size, magic, minors,
 * slots). */
int plugin_admit_provider(const struct flt_provider *raw, struct flt_provider *ret,
                          struct error *err);

int plugin_admit_isolation(const struct flt_isolation *raw, struct flt_isolation *ret,
                           struct error *err);

/* All of it; a plugin of the other kind is refused by the name of its entry. It stays loaded for the
 * life of the process. */
int plugin_load_provider(const char *file, struct flt_provider *ret, struct error *err);
int plugin_load_isolation(const char *file, struct flt_isolation *ret, struct error *err);

/* What a file is by its tables, before any code of it runs. One that is neither reads as a provider:
 * loading it says what is wrong. */
enum plugin_kind { PLUGIN_PROVIDER, PLUGIN_ISOLATION };
int plugin_find_kind(const char *file, enum plugin_kind *ret, struct error *err);

/* Of an instance or a VM: 1 to 255 bytes of [A-Za-z0-9._:/-]. */
bool plugin_id_valid(const char *id);
