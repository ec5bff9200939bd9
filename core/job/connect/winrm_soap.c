/* core/job/connect/winrm_soap.c - see the header. */
#include "core/job/connect/winrm_soap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/random.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "sdk/lib/base64.h"
#include "sdk/lib/xml.h"

#define WSMAN "http://schemas.microsoft.com/wbem/wsman/1"
#define SHELL WSMAN "/windows/shell"
#define TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"

/* Requests. */

/* Line ends and tabs as numbers, because a reader would change them. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("<>&\"'\t\r\n", *text))
            buf_addf(out, "&#%d;", *text);
        else
            buf_add_char(out, *text);
    }
}

/* Behind an element's name. */
static void add_attribute(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, " %s=", name);
    buf_add_char(out, '"');
    add_escaped(out, value);
    buf_add_char(out, '"');
}

static void open_envelope_of(struct buf *out, const struct soap_place *place, const char *resource,
                             const char *action)
{
    char id[UUID_SIZE];

    rng_uuid(&rng_system, id);
    buf_add_str(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                     "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
                     " xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
                     " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\""
                     " xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\""
                     " xmlns:rsp=\"" SHELL "\"><s:Header><a:To>");
    add_escaped(out, place->url);
    buf_addf(out,
             "</a:To><a:ReplyTo><a:Address s:mustUnderstand=\"true\">" ANONYMOUS
             "</a:Address></a:ReplyTo>"
             "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">%d</w:MaxEnvelopeSize>"
             "<a:MessageID>uuid:%s</a:MessageID>"
             "<w:Locale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/>"
             "<p:DataLocale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/>"
             "<w:OperationTimeout>PT%" PRId64 ".%03dS</w:OperationTimeout>"
             "<w:ResourceURI s:mustUnderstand=\"true\">%s</w:ResourceURI>"
             "<a:Action s:mustUnderstand=\"true\">",
             SOAP_ENVELOPE_MAX, id, place->timeout_ms / 1000, (int) (place->timeout_ms % 1000),
             resource);
    buf_add_str(out, action);
    buf_add_str(out, "</a:Action>");
    if (*place->shell) {
        buf_add_str(out, "<w:SelectorSet><w:Selector Name=\"ShellId\">");
        buf_add_str(out, place->shell);
        buf_add_str(out, "</w:Selector></w:SelectorSet>");
    }
}

static void open_envelope(struct buf *out, const struct soap_place *place, const char *action)
{
    open_envelope_of(out, place, SHELL "/cmd", action);
}

static void add_option(struct buf *out, const char *name, const char *value)
{
    buf_add_str(out, "<w:Option");
    add_attribute(out, "Name", name);
    buf_addf(out, ">%s</w:Option>", value);
}

static void open_body(struct buf *out)
{
    buf_add_str(out, "</s:Header><s:Body>");
}

static void close_envelope(struct buf *out)
{
    buf_add_str(out, "</s:Body></s:Envelope>");
}

void soap_create(struct buf *out, const struct soap_place *place, int64_t idle_ms)
{
    open_envelope(out, place, TRANSFER "/Create");
    buf_add_str(out, "<w:OptionSet>");
    add_option(out, "WINRS_NOPROFILE", "FALSE");
    add_option(out, "WINRS_CODEPAGE", "65001"); /* UTF-8 */
    buf_add_str(out, "</w:OptionSet>");
    open_body(out);
    buf_addf(out,
             "<rsp:Shell><rsp:IdleTimeOut>PT%" PRId64 "S</rsp:IdleTimeOut>"
             "<rsp:InputStreams>stdin</rsp:InputStreams>"
             "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>",
             idle_ms / 1000);
    close_envelope(out);
}

/* A console's stdin would have no end. */
void soap_command(struct buf *out, const struct soap_place *place, const char *line)
{
    open_envelope(out, place, SHELL "/Command");
    buf_add_str(out, "<w:OptionSet>");
    add_option(out, "WINRS_CONSOLEMODE_STDIN", "FALSE");
    add_option(out, "WINRS_SKIP_CMD_SHELL", "FALSE");
    buf_add_str(out, "</w:OptionSet>");
    open_body(out);
    buf_add_str(out, "<rsp:CommandLine><rsp:Command>");
    add_escaped(out, line);
    buf_add_str(out, "</rsp:Command></rsp:CommandLine>");
    close_envelope(out);
}

void soap_send(struct buf *out, const struct soap_place *place, const void *data, size_t len,
               bool end)
{
    open_envelope(out, place, SHELL "/Send");
    open_body(out);
    buf_add_str(out, "<rsp:Send><rsp:Stream Name=\"stdin\"");
    add_attribute(out, "CommandId", place->command);
    buf_add_str(out, end ? " End=\"true\">" : ">");
    (void) base64_encode(out, data, len);
    buf_add_str(out, "</rsp:Stream></rsp:Send>");
    close_envelope(out);
}

void soap_receive(struct buf *out, const struct soap_place *place)
{
    open_envelope(out, place, SHELL "/Receive");
    open_body(out);
    buf_add_str(out, "<rsp:Receive><rsp:DesiredStream");
    add_attribute(out, "CommandId", place->command);
    buf_add_str(out, ">stdout stderr</rsp:DesiredStream></rsp:Receive>");
    close_envelope(out);
}

void soap_terminate(struct buf *out, const struct soap_place *place)
{
    open_envelope(out, place, SHELL "/Signal");
    open_body(out);
    buf_add_str(out, "<rsp:Signal");
    add_attribute(out, "CommandId", place->command);
    buf_add_str(out, "><rsp:Code>" SHELL "/signal/terminate</rsp:Code></rsp:Signal>");
    close_envelope(out);
}

void soap_get_config(struct buf *out, const struct soap_place *place)
{
    open_envelope_of(out, place, WSMAN "/config", TRANSFER "/Get");
    open_body(out);
    close_envelope(out);
}

void soap_delete(struct buf *out, const struct soap_place *place)
{
    open_envelope(out, place, TRANSFER "/Delete");
    open_body(out);
    close_envelope(out);
}

/* Answers. */

DEFINE_AUTO_PTR(xmlDoc, xmlFreeDoc)

static int no_answer(struct error *err, const char *what)
{
    return error_set(err, -EPROTO, "what the instance answers is not WinRM's: %s", what);
}

/* Of a name with or without a prefix, and of an action the last part. */
static const char *last_part(const char *text)
{
    const char *colon = strrchr(text, ':'), *slash = strrchr(text, '/');
    const char *last = MAX(colon, slash);

    return last ? last + 1 : text;
}

static void take_text(char *dst, size_t size, const char *text)
{
    autobuf struct buf shown = BUF_INIT;

    text += strspn(text, " \t\r\n");
    str_display(&shown, text, strcspn(text, "\r\n"), size - 1);
    (void) str_cut(dst, size, buf_str(&shown));
}

static bool attribute(xmlNodePtr node, const char *name, char *dst, size_t size)
{
    xmlChar *value = node ? xmlGetProp(node, (const xmlChar *) name) : NULL;
    bool fits = value && str_copy(dst, size, (const char *) value) == 0;

    xmlFree(value);
    return fits;
}

static void read_fault(xmlNodePtr fault, struct soap_fault *ret)
{
    const char *subcode = flt_xml_text(fault, "Code/Subcode/Value");
    const char *reason = flt_xml_text(fault, "Reason/Text");
    xmlNodePtr detail = flt_xml_find(fault, "Detail/WSManFault");
    char code[24];

    *ret = (struct soap_fault) { 0 };
    if (subcode)
        (void) str_copy(ret->subcode, sizeof(ret->subcode), last_part(subcode));
    if (attribute(detail, "Code", code, sizeof(code)))
        (void) parse_i64(code, 1, UINT32_MAX, &ret->code);
    take_text(ret->text, sizeof(ret->text), reason ? reason : "it does not say why");
}

/* The body's element of that name, or the body itself for NULL. */
static int open_answer(const struct buf *answer, const char *name, xmlDocPtr *ret_doc,
                       xmlNodePtr *ret, struct soap_fault *fault, struct error *err)
{
    char why[FLT_ERROR_MAX];
    xmlNodePtr body, found;

    *ret_doc = flt_xml_parse(buf_str(answer), answer->len, why);
    if (!*ret_doc)
        return no_answer(err, why);
    body = flt_xml_find(flt_xml_root(*ret_doc), "Body");
    found = flt_xml_find(body, "Fault");
    if (found) {
        read_fault(found, fault);
        return -EREMOTEIO;
    }
    *ret = name ? flt_xml_find(body, name) : body;
    return *ret ? 0 : no_answer(err, name ? name : "it has no body");
}

/* Ids go into later requests as they are (hardening.md V12). */
static bool is_id(const char *text)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

    return !str_empty(text) && strspn(text, letters) == strlen(text);
}

static int take_id(const char *text, char ret[static SOAP_ID_SIZE], struct error *err)
{
    if (is_id(text) && str_copy(ret, SOAP_ID_SIZE, text) == 0)
        return 0;
    return no_answer(err, "an id in it is none");
}

static const char *selected_shell(xmlNodePtr created)
{
    xmlNodePtr set = flt_xml_find(created, "ReferenceParameters/SelectorSet");
    char name[16];

    for (xmlNodePtr at = flt_xml_next(set, "Selector", NULL); at;
         at = flt_xml_next(set, "Selector", at))
        if (attribute(at, "Name", name, sizeof(name)) && str_eq(name, "ShellId"))
            return flt_xml_text(at, "");
    return NULL;
}

int soap_read_shell(const struct buf *answer, char ret[static SOAP_ID_SIZE],
                    struct soap_fault *ret_fault, struct error *err)
{
    auto_ptr(xmlFreeDoc) xmlDoc *doc = NULL;
    xmlNodePtr created = NULL;
    int r = open_answer(answer, "ResourceCreated", &doc, &created, ret_fault, err);

    return r < 0 ? r : take_id(selected_shell(created), ret, err);
}

int soap_read_command(const struct buf *answer, char ret[static SOAP_ID_SIZE],
                      struct soap_fault *ret_fault, struct error *err)
{
    auto_ptr(xmlFreeDoc) xmlDoc *doc = NULL;
    xmlNodePtr response = NULL;
    int r = open_answer(answer, "CommandResponse", &doc, &response, ret_fault, err);

    return r < 0 ? r : take_id(flt_xml_text(response, "CommandId"), ret, err);
}

static int take_stream(xmlNodePtr stream, struct soap_output *output, struct error *err)
{
    const char *text = flt_xml_text(stream, "");
    char name[16] = "", *data;
    size_t len = 0;
    bool is_stderr;
    int r;

    (void) attribute(stream, "Name", name, sizeof(name));
    is_stderr = str_eq(name, "stderr");
    if (!text || (!is_stderr && !str_eq(name, "stdout")))
        return no_answer(err, "a stream in it is none");
    if (!*text)
        return 0;
    data = flt_base64_read(text, &len);
    if (!data)
        return no_answer(err, "a stream in it is not base64");
    r = len > 0 ? output->take(output->arg, is_stderr, data, len) : 0;
    secret_wipe(data, len);
    free(data);
    return r;
}

/* Windows' statuses have 32 bits, and are written with or without a sign. */
static int read_state(xmlNodePtr response, struct soap_output *output, struct error *err)
{
    xmlNodePtr state = flt_xml_find(response, "CommandState");
    const char *text = flt_xml_text(state, "ExitCode");
    char name[128] = "";
    int64_t status = 0;

    (void) attribute(state, "State", name, sizeof(name));
    if (!str_eq(last_part(name), "Done"))
        return 0;
    if (!text || parse_i64(text, INT32_MIN, UINT32_MAX, &status) < 0)
        return no_answer(err, "a command that is done has no exit code");
    output->done = true;
    output->status = (int) (int32_t) (uint32_t) status;
    return 0;
}

int soap_read_output(const struct buf *answer, struct soap_output *output,
                     struct soap_fault *ret_fault, struct error *err)
{
    auto_ptr(xmlFreeDoc) xmlDoc *doc = NULL;
    xmlNodePtr response = NULL;
    int r = open_answer(answer, "ReceiveResponse", &doc, &response, ret_fault, err);

    for (xmlNodePtr at = flt_xml_next(response, "Stream", NULL); r == 0 && at;
         at = flt_xml_next(response, "Stream", at))
        r = take_stream(at, output, err);
    return r == 0 ? read_state(response, output, err) : r;
}

int soap_read_config(const struct buf *answer, size_t *ret_envelope, struct soap_fault *ret_fault,
                     struct error *err)
{
    auto_ptr(xmlFreeDoc) xmlDoc *doc = NULL;
    xmlNodePtr config = NULL;
    int64_t kib = 0;
    int r = open_answer(answer, "Config", &doc, &config, ret_fault, err);
    const char *text = r == 0 ? flt_xml_text(config, "MaxEnvelopeSizekb") : NULL;

    if (r < 0)
        return r;
    if (!text || parse_i64(text, 1, INT32_MAX, &kib) < 0)
        return no_answer(err, "its settings have no size of an envelope");
    *ret_envelope = (size_t) kib * 1024;
    return 0;
}

int soap_read_nothing(const struct buf *answer, struct soap_fault *ret_fault, struct error *err)
{
    auto_ptr(xmlFreeDoc) xmlDoc *doc = NULL;
    xmlNodePtr body = NULL;

    return open_answer(answer, NULL, &doc, &body, ret_fault, err);
}
