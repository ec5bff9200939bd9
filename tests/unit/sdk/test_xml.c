/* tests/unit/sdk/test_xml.c - mirrors sdk/lib/xml.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sdk/lib/xml.h"

static const char groups[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Result><Groups>"
    "<member><Name>a &amp; b&#10;c</Name><Size>-5</Size><On>true</On><Empty/></member>"
    "<other/><member><Name>one<!-- not a part of it -->two</Name><Size>12x</Size><On>yes</On>"
    "<x:Deep xmlns:x=\"urn:x\"><In>it</In></x:Deep><Cdata><![CDATA[<raw>]]></Cdata></member>"
    "</Groups></Result></Response>";

static xmlDocPtr read_groups(xmlNodePtr members[2])
{
    char error[FLT_ERROR_MAX];
    xmlDocPtr doc = flt_xml_parse(groups, strlen(groups), error);
    xmlNodePtr list;

    assert_non_null(doc);
    list = flt_xml_find(flt_xml_root(doc), "Result/Groups");
    assert_non_null(list);
    members[0] = flt_xml_next(list, "member", NULL);
    members[1] = flt_xml_next(list, "member", members[0]);
    assert_non_null(members[1]);
    assert_null(flt_xml_next(list, "member", members[1]));
    return doc;
}

static void test_elements_are_found_and_read(void **unused)
{
    const char *text = "untouched";
    char error[FLT_ERROR_MAX];
    xmlNodePtr members[2];
    xmlDocPtr doc = read_groups(members);
    int64_t number = 0;
    int is_on = 0;

    (void) unused;
    assert_int_equal(flt_xml_need_text(members[0], "Name", &text, error), 0);
    assert_string_equal(text, "a & b\nc");
    assert_int_equal(flt_xml_need_text(members[0], "Empty", &text, error), 0);
    assert_string_equal(text, "");
    assert_int_equal(flt_xml_need_text(members[1], "Name", &text, error), 0);
    assert_string_equal(text, "onetwo");
    assert_int_equal(flt_xml_need_text(members[1], "Cdata", &text, error), 0);
    assert_string_equal(text, "<raw>");
    assert_string_equal(flt_xml_text(members[1], "Deep/In"), "it");
    assert_null(flt_xml_text(members[1], "Deep"));
    assert_null(flt_xml_text(members[1], "Deep/Out"));
    assert_null(flt_xml_text(NULL, "Deep"));
    assert_int_equal(flt_xml_need_i64(members[0], "Size", -5, 5, &number, error), 0);
    assert_int_equal(number, -5);
    assert_int_equal(flt_xml_need_bool(members[0], "On", &is_on, error), 0);
    assert_int_equal(is_on, 1);
    xmlFreeDoc(doc);
}

static void test_errors_say_where(void **unused)
{
    const char *text = "untouched";
    char error[FLT_ERROR_MAX];
    xmlNodePtr members[2];
    xmlDocPtr doc = read_groups(members);
    int64_t number = 7;
    int is_on = 7;

    (void) unused;
    assert_int_equal(flt_xml_need_text(members[1], "Deep/Out", &text, error), -1);
    assert_string_equal(error, "Response/Result/Groups/member[2]/Deep/Out is missing");
    assert_int_equal(flt_xml_need_text(members[1], "Deep", &text, error), -1);
    assert_string_equal(error,
                        "Response/Result/Groups/member[2]/Deep must be text, but holds more");
    assert_int_equal(flt_xml_need_i64(members[1], "Size", 0, 10, &number, error), -1);
    assert_string_equal(
        error, "Response/Result/Groups/member[2]/Size must be a number from 0 to 10, not 12x");
    assert_int_equal(flt_xml_need_i64(members[0], "Size", 0, 10, &number, error), -1);
    assert_string_equal(
        error, "Response/Result/Groups/member[1]/Size must be a number from 0 to 10, not -5");
    assert_int_equal(flt_xml_need_bool(members[1], "On", &is_on, error), -1);
    assert_string_equal(error,
                        "Response/Result/Groups/member[2]/On must be true or false, not yes");
    assert_int_equal(flt_xml_opt_bool(members[1], "On", &is_on, error), -1);
    assert_int_equal(flt_xml_opt_i64(members[1], "Size", 0, 10, &number, error), -1);
    assert_int_equal(flt_xml_opt_text(members[1], "Deep", &text, error), -1);
    assert_int_equal(flt_xml_need_text(NULL, "Deep", &text, error), -1);
    assert_string_equal(error, "Deep is missing");
    assert_int_equal(flt_xml_need_text(members[1], "Deep", &text, NULL), -1);
    assert_string_equal(text, "untouched");
    assert_int_equal(number, 7);
    assert_int_equal(is_on, 7);
    xmlFreeDoc(doc);
}

static void test_what_is_not_there_keeps_its_default(void **unused)
{
    static const char *const paths[] = { "Nothing", "Nothing/Below", "Empty" };
    const char *text = "default";
    char error[FLT_ERROR_MAX];
    xmlNodePtr members[2];
    xmlDocPtr doc = read_groups(members);
    int64_t number = 7;
    int is_on = 7;

    (void) unused;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(flt_xml_opt_text(members[0], paths[i], &text, error), 0);
        assert_int_equal(flt_xml_opt_i64(members[0], paths[i], 0, 1, &number, error), 0);
        assert_int_equal(flt_xml_opt_bool(members[0], paths[i], &is_on, error), 0);
    }
    assert_string_equal(text, "default");
    assert_int_equal(number, 7);
    assert_int_equal(is_on, 7);
    xmlFreeDoc(doc);
}

static void test_numbers_are_whole_and_fit(void **unused)
{
    static const struct {
        const char *text;
        int holds;
        int64_t want;
    } rows[] = {
        { "0", 1, 0 },
        { "007", 1, 7 },
        { "9223372036854775807", 1, INT64_MAX },
        { "-9223372036854775808", 1, INT64_MIN },
        { "9223372036854775808", 0, 0 },
        { "-9223372036854775809", 0, 0 },
        { "99999999999999999999999", 0, 0 },
        { "", 0, 0 },
        { "-", 0, 0 },
        { "+1", 0, 0 },
        { " 1", 0, 0 },
        { "1.0", 0, 0 },
        { "0x10", 0, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char xml[64], error[FLT_ERROR_MAX];
        int64_t number = 42;
        xmlDocPtr doc;
        int r;

        (void) snprintf(xml, sizeof(xml), "<a><n>%s</n></a>", rows[i].text);
        doc = flt_xml_parse(xml, strlen(xml), error);
        r = flt_xml_need_i64(flt_xml_root(doc), "n", INT64_MIN, INT64_MAX, &number, error);
        if ((r == 0) != rows[i].holds || number != (rows[i].holds ? rows[i].want : 42))
            fail_msg("'%s' gives %d, %lld", rows[i].text, r, (long long) number);
        xmlFreeDoc(doc);
    }
}

/* hardening.md V15 */
static void test_what_may_not_be_trusted_is_refused(void **unused)
{
    static const struct {
        const char *xml, *want;
    } rows[] = {
        { "<!DOCTYPE a><a/>", "XML has a document type, which no service sends in line 1" },
        { "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "XML has a document type" },
        { "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
          "XML has a document type" },
        { "<!DOCTYPE a [<!ENTITY e \"ha\"><!ENTITY f \"&e;&e;&e;\">]><a>&f;</a>",
          "XML has a document type" },
        { "<a>&unknown;</a>", "XML is broken" },
        { "<a><b></a></b>", "XML is broken" },
        { "<a/><b/>", "XML is broken" },
        { "", "XML is broken" },
        { "no XML", "XML is broken" },
        { "<a>\xff</a>", "XML is broken" },
        { "<a>\x01</a>", "XML is broken" },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[FLT_ERROR_MAX] = "";

        if (flt_xml_parse(rows[i].xml, strlen(rows[i].xml), error) ||
            strncmp(error, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("%s: %s", rows[i].xml, error);
    }
}

/* An encoding would hide what may not be there. */
static void test_other_encodings_are_not_read(void **unused)
{
    static const char narrow[] = "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>";
    static const char declared[] = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>";
    static const char ebcdic[] = "<?xml version=\"1.0\" encoding=\"IBM037\"?><a>b</a>";
    char wide[2 * sizeof(narrow)] = "\xff\xfe", error[FLT_ERROR_MAX] = "";
    xmlDocPtr doc;

    (void) unused;
    for (size_t i = 0; i + 1 < sizeof(narrow); i++) {
        wide[2 + 2 * i] = narrow[i];
        wide[3 + 2 * i] = '\0';
    }
    assert_null(flt_xml_parse(wide, 2 * sizeof(narrow), error));
    assert_null(flt_xml_parse(declared, strlen(declared), error));
    doc = flt_xml_parse(ebcdic, strlen(ebcdic), error);
    assert_non_null(doc);
    assert_string_equal(flt_xml_text(flt_xml_root(doc), ""), "b");
    xmlFreeDoc(doc);
}

/* `n` attributes, each with its value; `before` stands before the tag. */
static xmlDocPtr parse_attributes(const char *before, int n, const char *value, char *error)
{
    struct flt_text text;
    xmlDocPtr doc;
    char *xml;

    flt_text_open(&text);
    flt_text_add(&text, "<r>%s<a", before);
    for (int i = 0; i < n; i++)
        flt_text_add(&text, " a%d=%s", i, value);
    flt_text_add(&text, "/></r>");
    xml = flt_text_take(&text);
    doc = flt_xml_parse(xml, strlen(xml), error);
    free(xml);
    return doc;
}

static void test_tags_have_a_limit_that_nothing_hides(void **unused)
{
    static const char *const before[] = { "",
                                          "<!-- ' -->",
                                          "<![CDATA[<a \"]]>",
                                          "<?p '?>",
                                          "<b c=\"'>\" d='>\"'/>",
                                          "<!-- <a --><!-->-->" };
    static const char *const values[] = { "''", "\"'>'\"", "'\">\"'", "'>'" };
    char error[FLT_ERROR_MAX];

    (void) unused;
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            xmlDocPtr doc = parse_attributes(before[i], 32, values[k], error);

            if (!doc)
                fail_msg("%s %s: %s", before[i], values[k], error);
            xmlFreeDoc(doc);
            assert_null(parse_attributes(before[i], 33, values[k], error));
            assert_non_null(strstr(error, "more than 32 attributes"));
            assert_null(parse_attributes(before[i], 30000, values[k], error));
            assert_string_equal(error, "XML has a tag of more than 16384 bytes");
        }
}

static xmlDocPtr parse_nested(int depth, char *error)
{
    struct flt_text text;
    xmlDocPtr doc;
    char *xml;

    flt_text_open(&text);
    for (int i = 0; i < depth; i++)
        flt_text_add(&text, "<a>");
    for (int i = 0; i < depth; i++)
        flt_text_add(&text, "</a>");
    xml = flt_text_take(&text);
    doc = flt_xml_parse(xml, strlen(xml), error);
    free(xml);
    return doc;
}

static void test_depth_ends_at_64(void **unused)
{
    char error[FLT_ERROR_MAX];
    xmlDocPtr doc = parse_nested(64, error);

    (void) unused;
    assert_non_null(doc);
    xmlFreeDoc(doc);
    assert_null(parse_nested(65, error));
    assert_string_equal(error, "XML is more than 64 elements deep in line 1");
    assert_null(parse_nested(100000, error));
}

static void test_a_long_place_still_says_what_is_wrong(void **unused)
{
    char name[600], xml[2000], error[FLT_ERROR_MAX];
    const char *text = NULL;
    xmlDocPtr doc;

    (void) unused;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void) snprintf(xml, sizeof(xml), "<%s><%s/></%s>", name, name, name);
    doc = flt_xml_parse(xml, strlen(xml), error);
    assert_non_null(doc);
    assert_int_equal(flt_xml_need_text(flt_xml_root(doc), name, &text, error), 0);
    name[500] = '\0';
    assert_int_equal(flt_xml_need_text(flt_xml_root(doc), name, &text, error), -1);
    assert_non_null(strstr(error, " is missing"));
    xmlFreeDoc(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_are_found_and_read),
        cmocka_unit_test(test_errors_say_where),
        cmocka_unit_test(test_what_is_not_there_keeps_its_default),
        cmocka_unit_test(test_numbers_are_whole_and_fit),
        cmocka_unit_test(test_what_may_not_be_trusted_is_refused),
        cmocka_unit_test(test_other_encodings_are_not_read),
        cmocka_unit_test(test_tags_have_a_limit_that_nothing_hides),
        cmocka_unit_test(test_depth_ends_at_64),
        cmocka_unit_test(test_a_long_place_still_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
