/* core/exec/yaml_doc_internal.h - what yaml_load.c, which adds files to the tree, needs of yaml_doc.c.
 */
#pragma once

#include <stdarg.h>

#include "core/exec/yaml_doc.h"

#define TREE_DEPTH_MAX 200 /* with what aliases, references and merges put into each other */

/* A copy that lives as long as the document; NULL when memory is short. */
const char *yaml_keep_text(struct yaml_doc *doc, const char *text);
/* What a scalar without quotes is. */
enum yaml_kind yaml_kind_of_plain(const char *text);
void yaml_vfinding(struct yaml_doc *doc, enum config_severity severity,
                   const struct yaml_value *place, const char *fmt, va_list args) PRINTF_LIKE(4, 0);
