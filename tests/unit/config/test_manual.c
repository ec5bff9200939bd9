/* tests/unit/config/test_manual.c - docs/flotilla.toml.5 names every setting that is acted on, with
 * the type, the range and the default of its row, and none that is not. Mirrors settings_*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/config/schema.h"

static const char *page_file;

static void add_range(struct buf *out, const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_INTEGER:
    case SETTING_SECONDS:
    case SETTING_REAL:
        if (setting->max == INT64_MAX)
            buf_addf(out, ", %" PRId64 " or more", setting->min);
        else
            buf_addf(out, ", %" PRId64 " to %" PRId64, setting->min, setting->max);
        break;
    case SETTING_DURATION:
        buf_addf(out, ", ");
        format_duration(out, setting->min);
        buf_addf(out, " to ");
        format_duration(out, setting->max);
        break;
    default:
        break;
    }
    for (size_t i = 0; setting->choices && setting->choices[i]; i++)
        buf_addf(out, "%s%s", i > 0 ? ", " : ", one of ", setting->choices[i]);
}

static void add_default(struct buf *out, const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_INTEGER:
    case SETTING_SECONDS:
    case SETTING_REAL:
        buf_addf(out, "; default %" PRId64, setting->initial);
        break;
    case SETTING_DURATION:
        buf_addf(out, "; default ");
        format_duration(out, setting->initial);
        break;
    case SETTING_BOOL:
        buf_addf(out, "; default %s", setting->initial ? "true" : "false");
        break;
    case SETTING_TEXT:
        if (!str_empty(setting->initial_text))
            buf_addf(out, "; default %s", setting->initial_text);
        break;
    default:
        break;
    }
    if (setting->flags & SETTING_ZERO_IS_DEFAULT)
        buf_addf(out, ", which 0 means, too");
}

/* ".It Ic NAME Pq a whole number, 1 to 10; default 1" */
static void entry_of(struct buf *out, const struct setting *setting)
{
    bool duration = setting->kind == SETTING_DURATION;

    buf_addf(out, ".It Ic %s Pq %s", setting->name,
             duration ? "a duration" : setting_wants(setting));
    if (setting->unit)
        buf_addf(out, " of %s", setting->unit);
    add_range(out, setting);
    add_default(out, setting);
    buf_add_char(out, '\n');
}

static bool is_section(const struct setting *setting)
{
    return setting->kind == SETTING_SECTION || setting->kind == SETTING_SECTIONS;
}

/* Two rows may share a name: connector_config is a section, and handed on as it is. */
static bool is_also_a_section(const struct section *section, const struct setting *setting)
{
    for (size_t i = 0; i < section->n_settings; i++)
        if (is_section(&section->settings[i]) && str_eq(section->settings[i].name, setting->name))
            return true;
    return false;
}

static bool is_acted_on(const struct setting *setting)
{
    return setting->kind != SETTING_KNOWN && !(setting->flags & SETTING_NOT_YET);
}

/* The part of the page that is about a section: from its heading to the next. */
static void part_of(const char *page, const struct section *section, struct buf *ret)
{
    autobuf struct buf heading = BUF_INIT;
    const char *start, *end;

    buf_addf(&heading, "\n.Ss %s\n", section->name);
    start = strstr(page, buf_str(&heading));
    if (!start)
        fail_msg("%s has no heading '.Ss %s'", page_file, section->name);
    start += heading.len - 1;
    end = strstr(start, "\n.S");
    buf_add(ret, start, end ? (size_t) (end - start) + 1 : strlen(start));
}

static size_t count_entries(const char *part)
{
    size_t count = 0;

    for (const char *at = part; (at = strstr(at, "\n.It Ic ")); at++)
        count++;
    return count;
}

static size_t check_section(const char *page, const struct section *section)
{
    autobuf struct buf part = BUF_INIT;
    size_t expected = 0, wrong = 0;

    part_of(page, section, &part);
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];
        autobuf struct buf entry = BUF_INIT;

        if (!is_acted_on(setting))
            continue;
        if (is_section(setting)) {
            wrong += check_section(page, setting->section);
            continue;
        }
        if (is_also_a_section(section, setting))
            continue;
        entry_of(&entry, setting);
        expected++;
        if (!strstr(buf_str(&part), buf_str(&entry))) {
            print_error("%s, %s lacks: %s", page_file, section->name, buf_str(&entry));
            wrong++;
        }
    }
    if (wrong == 0 && count_entries(buf_str(&part)) != expected) {
        print_error("%s, %s names a setting that is not acted on\n", page_file, section->name);
        wrong++;
    }
    return wrong;
}

static void test_the_page_and_the_tables_agree(void **unused)
{
    autobuf struct buf page = BUF_INIT;
    struct error err = { 0 };

    (void) unused;
    if (fs_read_file(AT_FDCWD, page_file, 1024 * 1024, &page, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(check_section(buf_str(&page), &config_section), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page_and_the_tables_agree),
    };

    if (argc != 2) {
        (void) fprintf(stderr, "usage: test_config_manual PAGE\n");
        return 1;
    }
    page_file = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
