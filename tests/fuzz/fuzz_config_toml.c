/* tests/fuzz/fuzz_config_toml.c - a config.toml of any bytes: it is used or refused, and what is said
 * of it has a place in the file and is fit for a terminal.
 *
 * Input: the file. Each finding must point to a line of it, none may hold a control byte or break
 * UTF-8, they stand in the order of the file, and there is an error exactly when the file is refused.
 * A second reading must say the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/config/config.h"

#define NAME "F"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_config_toml: %s\n", what);
    abort();
}

static int count_lines(const char *text)
{
    int lines = 1;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void require_plain(const char *text)
{
    require(utf8_valid(text, strlen(text)), "a sentence is no UTF-8");
    for (; *text; text++)
        require((unsigned char) *text >= ' ' && *text != 0x7f, "a sentence has a control byte");
}

static void judge_findings(const struct config_findings *findings, int lines)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct config_finding *finding = &findings->items[i];
        autobuf struct buf start = BUF_INIT;

        buf_addf(&start, NAME ":%d:%d: ", finding->line, finding->column);
        require(str_starts(finding->text, buf_str(&start)), "a finding does not say its place");
        require(str_eq(finding->text + start.len, finding->sentence) && *finding->sentence,
                "a finding without a sentence");
        require(finding->line >= 1 && finding->line <= lines && finding->column >= 1,
                "a finding points to no line of the file");
        require(i == 0 || findings->items[i - 1].line <= finding->line,
                "findings are not in the order of the file");
        require_plain(finding->text);
    }
}

static void read_once(const char *text, struct buf *said)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    int r = config_load(NAME, text, &config, &findings, &err);

    require(r == 0 || r == -EINVAL, "a file is neither used nor refused");
    require((r == 0) == (config != NULL), "a result does not go with its configuration");
    require((r == 0) == (config_findings_count(&findings, CONFIG_ERROR) == 0),
            "an error and its finding do not go together");
    judge_findings(&findings, count_lines(text));
    for (size_t i = 0; i < findings.count; i++)
        buf_addf(said, "%d %s\n", (int) findings.items[i].severity, findings.items[i].text);
    config_findings_done(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf text = BUF_INIT, once = BUF_INIT, again = BUF_INIT;

    if (size > 8192)
        return 0;
    buf_add(&text, data, size);
    /* What is in another file is not this one's doing, and it may be a pipe. */
    if (strstr(buf_str(&text), "token_file"))
        return 0;
    read_once(buf_str(&text), &once);
    read_once(buf_str(&text), &again);
    require(str_eq(buf_str(&once), buf_str(&again)), "a second reading says something else");
    return 0;
}
