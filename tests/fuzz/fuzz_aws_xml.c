/* tests/fuzz/fuzz_aws_xml.c - answers of AWS in XML: whatever they say, what was read is no deeper than 64 elements and
 * has no entities, each element can be asked for in each way, and errors end in their buffers (hardening.md V15). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_error.h"
#include "sdk/lib/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void ask_for_all(xmlNodePtr node, int depth)
{
    char error[FLT_ERROR_MAX] = "";
    const char *text = NULL;
    int64_t number = 0;
    int is_on = 0;

    require(depth <= FLT_XML_DEPTH_MAX);
    for (xmlNodePtr child = node->children; child; child = child->next) {
        const char *name = (const char *) child->name;

        require(child->type == XML_ELEMENT_NODE || child->type == XML_TEXT_NODE);
        if (child->type != XML_ELEMENT_NODE)
            continue;
        require(flt_xml_next(node, name, NULL) == flt_xml_find(node, name));
        require(flt_xml_need_text(node, name, &text, error) < 0 || text);
        require(flt_xml_need_i64(node, name, -5, 5, &number, error) < 0 ||
                (number >= -5 && number <= 5));
        require(flt_xml_opt_bool(node, name, &is_on, error) < 0 || is_on == 0 || is_on == 1);
        require(strlen(error) < sizeof(error));
        ask_for_all(child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *) data, size), error[FLT_ERROR_MAX] = "";
    const struct flt_http_answer answer = { .status = 400, .body = text, .len = strlen(text) };
    xmlDocPtr doc = flt_xml_parse((const char *) data, size, error);
    struct flt_aws_fault fault;

    if (doc) {
        require(!doc->intSubset && !doc->extSubset);
        ask_for_all(flt_xml_root(doc), 1);
        xmlFreeDoc(doc);
    } else {
        require(*error != '\0' && strlen(error) < sizeof(error));
    }
    flt_aws_fault_read(&answer, &fault);
    require(!strpbrk(fault.code, "\r\n\x1b") && !strpbrk(fault.message, "\r\n\x1b"));
    require(flt_aws_judge(&fault).result < FLT_OK);
    free(text);
    return 0;
}
