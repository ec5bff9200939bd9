/* tests/unit/config/texts.c - what is said about a text (texts.h). */
#include "tests/unit/config/texts.h"

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

char *findings_of(const char *text)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf out = BUF_INIT;

    (void) config_load("F", text, &config, &findings, NULL);
    for (size_t i = 0; i < findings.count; i++)
        buf_addf(&out, "%s: %s\n", config_severity_name(findings.items[i].severity),
                 findings.items[i].text);
    config_findings_done(&findings);
    return mem_strdup(buf_str(&out));
}

bool is_told(const char *text, enum config_severity severity, const char *sentence)
{
    autofree char *said = findings_of(text);
    autofree char *want = mem_printf("%s: %s", config_severity_name(severity), sentence);
    const char *found = strstr(said, want);

    return found && (found == said || found[-1] == '\n');
}
