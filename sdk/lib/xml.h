/* sdk/lib/xml.h - XML that a cloud or an instance sent, read by libxml2 as far as it may be trusted: no document type and
 * thus no entities of its own, nothing fetched, UTF-8 alone, at most 64 elements deep (hardening.md V15), no tag that
 * takes long. Used by aws_client.c, plugins/aws and core/job/connect.
 *
 * Names are compared without their namespaces. A path is names with slashes, "result/group/name", from below
 * the node; of several elements of a name it takes the first. Texts are borrowed from the document.
 */
#ifndef FLOTILLA_LIB_XML_H
#define FLOTILLA_LIB_XML_H

#include "sdk/lib/text.h"

#include <libxml/tree.h>
#include <stdint.h>

#define FLT_XML_DEPTH_MAX 64

/* The document (xmlFreeDoc), which has a root; NULL with a sentence in `error` (FLT_ERROR_MAX bytes). */
xmlDocPtr flt_xml_parse(const char *text, size_t len, char *error);
xmlNodePtr flt_xml_root(xmlDocPtr doc);

/* NULL when there is none, or `node` is NULL. */
xmlNodePtr flt_xml_find(xmlNodePtr node, const char *path);
/* The children called `name` ("item", "member") one by one: first with `after` NULL. */
xmlNodePtr flt_xml_next(xmlNodePtr node, const char *name, xmlNodePtr after);

/* The text of an element as it stands, "" when it is empty; NULL when it is not there or holds more than text. For
 * what decides nothing. */
const char *flt_xml_text(xmlNodePtr node, const char *path);

/* These return 0, or -1 with a sentence that says where: "DescribeInstancesResponse/reservationSet/item[3]/
 * ownerId is missing"; NULL where nobody reads it. *ret is written with 0 alone. */
int flt_xml_need_text(xmlNodePtr node, const char *path, const char **ret, char *error);
int flt_xml_need_i64(xmlNodePtr node, const char *path, int64_t min, int64_t max, int64_t *ret,
                     char *error);
int flt_xml_need_bool(xmlNodePtr node, const char *path, int *ret, char *error); /* true, false */
/* What is not there, or empty, leaves *ret as it is. */
int flt_xml_opt_text(xmlNodePtr node, const char *path, const char **ret, char *error);
int flt_xml_opt_i64(xmlNodePtr node, const char *path, int64_t min, int64_t max, int64_t *ret,
                    char *error);
int flt_xml_opt_bool(xmlNodePtr node, const char *path, int *ret, char *error);

#endif
