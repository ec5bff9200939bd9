/* tests/unit/exec/kept.c - see kept.h. */
#include "tests/unit/exec/kept.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

int kept_setup(void **state)
{
    struct kept *kept = mem_zero(sizeof(*kept));

    (void) str_copy(kept->root, sizeof(kept->root), "/tmp/flotilla-test-kept-XXXXXX");
    assert_non_null(mkdtemp(kept->root));
    assert_int_equal(artifact_store_new(kept->root, 1000, &kept->store, NULL), 0);
    *state = kept;
    return 0;
}

int kept_teardown(void **state)
{
    struct kept *kept = *state;

    artifact_store_free(kept->store);
    assert_int_equal(fs_remove_tree(AT_FDCWD, kept->root), 0);
    free(kept);
    return 0;
}

void kept_add(const struct kept *kept, int64_t job, const char *type, const char *name,
              const char *data, size_t len)
{
    autofree char *token = mem_printf("token-%d", (int) job);
    struct artifact_upload *upload = NULL;

    assert_int_equal(
        artifact_upload_new(kept->store, job, token, artifact_type_find(type), &upload), 0);
    assert_int_equal(artifact_upload_add(upload, data, len), 0);
    assert_int_equal(artifact_upload_keep(upload, name, NULL), 0);
    artifact_upload_free(upload);
}
