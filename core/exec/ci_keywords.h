/* core/exec/ci_keywords.h - the keywords of .gitlab-ci.yml: which are read, which are passed over, and
 * which are refused because the pipeline would mean something else without them. Used by the
 * readers only (ci_*.c).
 */
#pragma once

enum ci_keyword_use {
    CI_KEYWORD_KNOWN,
    CI_KEYWORD_IGNORED, /* harmless: a warning */
    CI_KEYWORD_REFUSED, /* the job would mean something else: an error */
};
struct ci_keyword {
    const char *name;
    enum ci_keyword_use use;
    const char *why; /* it is not read */
};

enum ci_place {
    CI_PLACE_JOB,
    CI_PLACE_TOP,
    CI_PLACE_DEFAULT,
    CI_PLACE_RULE,
    CI_PLACE_WORKFLOW,
    CI_PLACE_WORKFLOW_RULE,
    CI_PLACE_INCLUDE,
    CI_PLACE_INCLUDE_RULE,
    CI_PLACE_ARTIFACTS,
    CI_PLACE_CACHE,
    CI_PLACE_CACHE_KEY,
};

const struct ci_keyword *ci_keyword_find(enum ci_place place, const char *name); /* NULL: none */
/* The one that is most likely meant; NULL when none is near. */
const char *ci_keyword_nearest(enum ci_place place, const char *name);
