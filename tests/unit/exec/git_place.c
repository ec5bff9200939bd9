/* tests/unit/exec/git_place.c - see git_place.h. */
#include "tests/unit/exec/git_place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

static const char *const somebody[] = { "GIT_AUTHOR_NAME=a",
                                        "GIT_AUTHOR_EMAIL=a@example.com",
                                        "GIT_COMMITTER_NAME=a",
                                        "GIT_COMMITTER_EMAIL=a@example.com",
                                        "GIT_CONFIG_NOSYSTEM=1",
                                        "GIT_CONFIG_GLOBAL=/dev/null",
                                        NULL };

char *git_place_run(const char *dir, const char *const *args)
{
    struct git_run run = { .dir = dir, .variables = somebody, .args = args };
    autobuf struct buf out = BUF_INIT;
    struct error err = { 0 };

    if (git_run(&run, &out, &err) < 0)
        fail_msg("%s", err.message);
    return buf_take(&out);
}

void git_place_write(const char *dir, const char *name, const char *text)
{
    autofree char *path = mem_printf("%s/%s", dir, name);
    autofclose FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

int git_place_setup(void **state)
{
    struct place *place = mem_zero(sizeof(*place));

    (void) str_copy(place->root, sizeof(place->root), "/tmp/test-snapshot-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    /* The space and the percent sign have to survive in the URL. */
    place->work = mem_printf("%s/work", place->root);
    place->bare = mem_printf("%s/a b%%41.git", place->root);
    place->fetched = mem_printf("%s/fetched", place->root);
    free(git_place_run(place->root,
                       (const char *const[]) { "init", "-q", "-b", "feature/x", "work", NULL }));
    *state = place;
    return 0;
}

int git_place_teardown(void **state)
{
    struct place *place = *state;

    (void) fs_remove_tree(AT_FDCWD, place->root);
    free(place->work);
    free(place->bare);
    free(place->fetched);
    free(place);
    return 0;
}
