/* tests/fuzz/fuzz_ini_profile.c - profile files of any bytes: what is refused is named with its line, what is taken is
 * found again.
 *
 * Input: the file. A contradiction aborts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flotilla/provider.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "sdk/lib/ini_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void) fprintf(stderr, "fuzz_ini_profile: %s\n", what);
    abort();
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* What the file says of a section that may be there. */
static void look(const struct flt_ini *ini, const char *kind, const char *name, const char *key,
                 const char *text)
{
    const struct flt_ini_setting *found = flt_ini_find(ini, kind, name, key);
    const struct flt_ini_setting *section = flt_ini_find(ini, kind, name, NULL);

    require(!found || section, "a setting without its section");
    require(!section || (!section->key && !section->value), "a section that is a setting");
    if (!found)
        return;
    require(found->key && found->value && flt_ini_is(found->section, kind, name),
            "another setting than was asked for");
    require(found->line >= 1 && found->line <= count_lines(text), "a line that is not there");
    require(strstr(text, found->value) && !strchr(found->value, '\n'),
            "a value that is not in the file");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = { "region", "role_arn", "aws_access_key_id", "a" };
    autofree char *text = NULL;
    char error[FLT_ERROR_MAX] = "";
    struct flt_ini *ini = NULL;
    int32_t code;

    if (size > 64 * 1024)
        return 0;
    text = mem_strndup((const char *) data, size);
    if (!text)
        return 0;
    code = flt_ini_parse("file", text, &ini, error);
    require(code == FLT_OK || code == FLT_E_INVALID, "another result");
    require((code == FLT_OK) == (ini != NULL), "a refused file that is there");
    require(code == FLT_OK || str_starts(error, "file:"), "a refusal without a line");
    for (size_t i = 0; ini && i < sizeof(keys) / sizeof(keys[0]); i++) {
        look(ini, NULL, "default", keys[i], text);
        look(ini, "profile", "ci", keys[i], text);
        look(ini, "profile", "", keys[i], text);
        look(ini, "sso-session", "home", keys[i], text);
    }
    flt_ini_free(ini);
    return 0;
}
