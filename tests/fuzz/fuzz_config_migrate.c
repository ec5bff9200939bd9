/* tests/fuzz/fuzz_config_migrate.c - a config.toml of any bytes is migrated: what comes of it is TOML, migrates again,
 * and is the same text where nothing had to be said.
 *
 * Input: the file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/config/migrate.h"
#include "core/config/toml.h"

#define NAME "F"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_config_migrate: %s\n", what);
    abort();
}

static void count(void *arg, int line, const char *sentence)
{
    size_t *notes = arg;

    require(line > 0 && *sentence && !strchr(sentence, '\n'), "a sentence is no line");
    (*notes)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf text = BUF_INIT, result = BUF_INIT, again = BUF_INIT;
    auto_ptr(toml_free) struct toml_value *root = NULL;
    struct toml_place where;
    size_t notes = 0;

    buf_add(&text, data, size);
    if (migrate(&text, NAME, count, &notes, &result, NULL) < 0)
        return 0;
    require(toml_parse(buf_str(&result), result.len, &root, &where, NULL) == 0, "it is no TOML");
    require(notes > 0 ||
                (result.len == text.len && memcmp(buf_str(&result), buf_str(&text), text.len) == 0),
            "nothing was said and the text is another one");
    require(migrate(&result, NAME, count, &notes, &again, NULL) == 0, "it does not migrate again");
    return 0;
}
