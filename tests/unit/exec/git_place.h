/* tests/unit/exec/git_place.h - a real repository in a temporary directory, for tests of what git
 * knows. */
#pragma once

#include "core/exec/git.h"

struct place {
    char root[64], *work, *bare, *fetched;
};
int git_place_setup(void **state);
int git_place_teardown(void **state);

/* Runs git and gives its output, which the caller frees; the test fails when git does. */
char *git_place_run(const char *dir, const char *const *args);
#define GIT(dir, ...) free(git_place_run((dir), (const char *const[]) { __VA_ARGS__, NULL }))
#define GIT_SAYS(dir, ...) git_place_run((dir), (const char *const[]) { __VA_ARGS__, NULL })

void git_place_write(const char *dir, const char *name, const char *text);
