/* tests/fuzz/fuzz_config_edit.c - a config.toml of any bytes is changed: what it means is what it meant, with the change.
 *
 * Input: the file. That the tree is right but for the change edit.c checks itself; here each change is undone or told
 * by another way: a key that is set and taken away again, an entry that is added and removed again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/config/edit.h"
#include "core/config/toml_change.h"

#define NAME "F"
#define KEY "a_key_of_the_test"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_config_edit: %s\n", what);
    abort();
}

static struct toml_value *parse(const struct buf *text)
{
    struct toml_value *root = NULL;
    struct toml_place where;

    return toml_parse(buf_str(text), text->len, &root, &where, NULL) == 0 ? root : NULL;
}

static size_t count_runners(const struct toml_value *root)
{
    const struct toml_value *list = toml_find_any_case(root, "runners");

    return list && list->type == TOML_ARRAY ? list->n_items : 0;
}

static void require_same(const struct toml_value *root, const struct buf *text, const char *what)
{
    auto_ptr(toml_free) struct toml_value *other = parse(text);

    require(other && toml_equal(root, other), what);
}

static void set_and_unset(const struct toml_value *root, const struct buf *text, size_t runner)
{
    autobuf struct buf set = BUF_INIT, unset = BUF_INIT;

    if (toml_find_any_case(&toml_find_any_case(root, "runners")->items[runner], KEY) ||
        edit_set(text, NAME, runner, KEY, "\"x\"", &set, NULL) < 0)
        return;
    require(edit_unset(&set, NAME, runner, KEY, &unset, NULL) == 0, "what was set cannot go again");
    require_same(root, &unset, "a key that came and went left something");
}

static void add_and_remove(const struct toml_value *root, const struct buf *text)
{
    autobuf struct buf added = BUF_INIT, removed = BUF_INIT;

    if (edit_add_runner(text, NAME, "[[runners]]\n  name = \"x\"\n", &added, NULL) < 0)
        return;
    require(added.len > text->len && memcmp(buf_str(text), buf_str(&added), text->len) == 0,
            "what was there has changed");
    require(edit_remove_runner(&added, NAME, count_runners(root), &removed, NULL) == 0,
            "what was added cannot go again");
    require_same(root, &removed, "an entry that came and went left something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf text = BUF_INIT, gone = BUF_INIT;
    auto_ptr(toml_free) struct toml_value *root = NULL;

    if (size > 4096)
        return 0;
    buf_add(&text, data, size);
    root = parse(&text);
    if (!root) {
        require(edit_remove_runner(&text, NAME, 0, &gone, NULL) < 0, "what is no TOML was changed");
        return 0;
    }
    for (size_t i = 0; i < count_runners(root); i++)
        set_and_unset(root, &text, i);
    add_and_remove(root, &text);
    return 0;
}
