/* sdk/lib/ini_profile.h - the INI files in which clouds' tools keep profiles: ~/.aws/config and its like. Used by the
 * credential sources of this folder.
 *
 * The last of two equal settings counts, and the case of a key does not. A comment begins with # or ;
 * at a line's start or behind a blank. Settings within a setting (indented, below "s3 =") are passed over.
 */
#ifndef FLOTILLA_LIB_INI_PROFILE_H
#define FLOTILLA_LIB_INI_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/file.h"

#define FLT_INI_MAX ((size_t) 1 << 20)

struct flt_ini;

struct flt_ini_setting {
    char *section, *key,
        *value; /* the file's; `key` and `value` are NULL where the section begins */
    unsigned line;
};

/* FLT_OK, or as flt_file_read(); FLT_E_INVALID names file and line of what is wrong. */
int32_t flt_ini_read(const char *path, struct flt_ini **ret, char *error);
/* The same with the file's text at hand; `path` names it. */
int32_t flt_ini_parse(const char *path, const char *text, struct flt_ini **ret, char *error);
void flt_ini_free(struct flt_ini *ini); /* wiped */
const char *flt_ini_path(const struct flt_ini *ini);

/* Whether a section's text is [KIND NAME], the name perhaps in quotes; with a NULL kind, [NAME]. */
int flt_ini_is(const char *section, const char *kind, const char *name);
/* A setting of such sections; with a NULL key, where they begin. NULL = there is none; so with a NULL ini. */
const struct flt_ini_setting *flt_ini_find(const struct flt_ini *ini, const char *kind,
                                           const char *name, const char *key);

#endif
