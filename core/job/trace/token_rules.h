/* core/job/trace/token_rules.h - masks what follows the known prefixes of tokens (hardening.md M6).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/job/trace/automaton.h"

#define TOKEN_PREFIXES_MAX 15

/* The prefixes; shared by the streams of a trace. */
struct token_prefixes {
    struct patterns patterns;
    struct automaton *automaton;
};

/* `glpat-`, with `all_default` GitLab's other prefixes, and the `extra` ones of the job: of these
 * the 15 shortest, as upstream does it. 0 or -ENOMEM. */
int token_prefixes_init(struct token_prefixes *prefixes, bool all_default, const char *const *extra,
                        size_t n_extra);
void token_prefixes_done(struct token_prefixes *prefixes);

/* Zeroed but for `prefixes` is the beginning of a stream. Nothing is held back. */
struct token_rules {
    const struct token_prefixes *prefixes;
    uint32_t state;
    enum { TOKEN_TEXT, TOKEN_PREFIX_SEEN, TOKEN_BODY } part;
};

void token_rules_write(struct token_rules *rules, const char *data, size_t len, struct buf *out);
