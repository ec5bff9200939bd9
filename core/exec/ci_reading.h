/* core/exec/ci_reading.h - what the readers of .gitlab-ci.yml share (ci_*.c): the document, whom it is
 * read for, and the sentences that many findings begin or end with.
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/ci_config.h"
#include "core/exec/ci_context.h"
#include "core/exec/ci_keywords.h"
#include "core/exec/yaml_doc.h"

struct ci_reading {
    struct yaml_doc doc;
    const struct ci_selection *selection;
    bool named; /* the jobs that are read are those that a person named */
    const struct ci_context *context;
    struct ci_config *config;
    const struct yaml_value *top; /* the whole file, as far as it is put together */
    struct ci_links *links;       /* of each job, as it is written */
    struct ci_lines ids;          /* of context->files, once a key of a cache has asked */
    struct ci_variables commits;  /* the last ones of files that such a key has asked for */
};

/* What a job says of other jobs, which is read when all of them are known. NULL: nothing. */
struct ci_links {
    const struct yaml_value *needs, *dependencies;
};

/* Adds one string, to a list that may have run out of memory before. */
void ci_append(struct ci_reading *reading, struct ci_lines *lines, const char *text);
void ci_copy_variables(struct ci_reading *reading, struct ci_variables *to,
                       const struct ci_variables *from);

/* "job 'J': 'K'", or only the keyword when `job` is NULL. */
const char *ci_subject(struct buf *out, const char *job, const char *keyword);
/* "SUBJECT must be WANTED, not a list" */
void ci_wrong_kind(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, const char *wanted);
/* True when the keyword is one to be read; a finding when it is not. */
bool ci_keyword_known(struct ci_reading *reading, enum ci_place place, const char *job,
                      const struct yaml_pair *pair);

/* A string or a list of strings, nested ones flattened. */
void ci_read_lines(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, struct ci_lines *ret);
/* A number or a list of them. */
void ci_read_codes(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, struct ci_codes *ret);
/* A string or what can stand for one. */
void ci_read_text(struct ci_reading *reading, const char *job, const char *keyword,
                  const struct yaml_value *value, char **ret);
/* One of the words, the first one after a finding. */
const char *ci_read_word(struct ci_reading *reading, const char *job, const char *keyword,
                         const struct yaml_value *value, const char *const *words, size_t n_words,
                         const char *wanted);
/* Of artifacts and caches. */
const char *ci_read_when(struct ci_reading *reading, const char *job,
                         const struct yaml_value *value);
/* true or false; anything else is a finding and false. */
bool ci_read_truth(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value);
