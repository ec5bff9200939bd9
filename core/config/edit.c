/* core/config/edit.c - see edit.h.
 *
 * A text is read twice: as a tree, which tells what it means, and as statements, which tell where it says so. A change
 * cuts or inserts whole lines, or puts a value in the place of another; the tree is changed alike, and what the new text
 * means must be equal to it. So whatever the second reading may take wrong never reaches a file. */
#include "core/config/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/statements.h"
#include "core/config/toml_change.h"

#define RUNNERS "runners"

struct document {
    const char *text, *file;
    size_t len;
    struct toml_value *root;
    struct toml_value *runners; /* of the root; NULL = none */
    struct statement *statements;
    int *owners; /* of each statement: the number of its entry; -1 = none */
    bool *own;   /* of each statement: is it in the entry itself, in none of its tables? */
    size_t n;
};

static void document_done(struct document *document)
{
    toml_free(document->root);
    free(document->statements);
    free(document->owners);
    free(document->own);
}
#define auto_document __attribute__((cleanup(document_done)))

static int refuse(const struct document *document, struct error *err)
{
    return error_set(err, -ENOTSUP,
                     "%s: is written in a way that flotilla cannot change without harm; change it "
                     "by hand, or write its runners as [[runners]] with one key a line",
                     document->file);
}

static int parse_text(const char *text, size_t len, const char *file, struct toml_value **ret,
                      struct error *err)
{
    struct toml_place where;
    struct error why = { 0 };
    int r = toml_parse(text, len, ret, &where, &why);

    if (r < 0)
        return error_set(err, r, "%s:%d:%d: %s", file, where.line, where.column, why.message);
    return 0;
}

static int collect(struct document *document, struct error *err)
{
    struct statement statement;

    for (size_t at = 0; statement_next(document->text, document->len, &at, &statement);) {
        struct statement *more =
            mem_resize(document->statements, document->n + 1, sizeof(*document->statements));

        if (!more)
            return error_set(err, -ENOMEM, "%s: out of memory", document->file);
        document->statements = more;
        document->statements[document->n++] = statement;
    }
    document->owners = mem_array(document->n + 1, sizeof(*document->owners));
    document->own = mem_array(document->n + 1, sizeof(*document->own));
    if (!document->owners || !document->own)
        return error_set(err, -ENOMEM, "%s: out of memory", document->file);
    return 0;
}

/* Which entry each statement belongs to. Returns how many there are. */
static size_t find_owners(struct document *document)
{
    const char *name = document->runners ? document->runners->key : RUNNERS;
    int owner = -1, entries = 0;
    bool own = false;

    for (size_t i = 0; i < document->n; i++) {
        const struct statement *statement = &document->statements[i];
        bool below = statement->is_header && key_begins(document->text, statement->key, name);

        if (below && statement->is_array && key_parts(document->text, statement->key) == 1) {
            owner = entries++;
            own = true;
        } else if (statement->is_header) {
            owner = below ? entries - 1 : -1;
            own = false;
        }
        document->owners[i] = owner;
        document->own[i] = own;
    }
    return (size_t) entries;
}

static int document_read(const struct buf *text, const char *file, struct document *ret,
                         struct error *err)
{
    int r;

    ret->text = buf_str(text);
    ret->file = file;
    ret->len = text->len;
    r = parse_text(ret->text, ret->len, file, &ret->root, err);
    if (r < 0)
        return r;
    ret->runners = toml_find_any_case(ret->root, RUNNERS);
    r = collect(ret, err);
    if (r < 0)
        return r;
    if (find_owners(ret) != (ret->runners ? ret->runners->n_items : 0) ||
        (ret->runners && ret->runners->type != TOML_ARRAY))
        return refuse(ret, err);
    return 0;
}

/* Also finds the entry, which is the document's. */
static int document_read_entry(const struct buf *text, const char *file, size_t runner,
                               struct document *ret, struct toml_value **ret_table,
                               struct error *err)
{
    int r = document_read(text, file, ret, err);

    if (r < 0)
        return r;
    if (!ret->runners || runner >= ret->runners->n_items ||
        ret->runners->items[runner].type != TOML_TABLE)
        return error_set(err, -ENOENT, "%s: there is no such [[runners]] entry any more", file);
    *ret_table = &ret->runners->items[runner];
    return 0;
}

/* The tree is what the new text must mean. */
static int check_meaning(const struct document *document, const struct buf *text, struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    struct error why = { 0 };

    if (buf_error(text))
        return error_set(err, buf_error(text), "%s: out of memory", document->file);
    if (parse_text(buf_str(text), text->len, document->file, &root, &why) < 0 ||
        !toml_equal(root, document->root))
        return refuse(document, err);
    return 0;
}

static const struct statement *find_own_key(const struct document *document, size_t runner,
                                            const char *key)
{
    for (size_t i = 0; i < document->n; i++)
        if (document->own[i] && document->owners[i] == (int) runner &&
            !document->statements[i].is_header &&
            key_parts(document->text, document->statements[i].key) == 1 &&
            key_begins(document->text, document->statements[i].key, key))
            return &document->statements[i];
    return NULL;
}

/* The last line of the entry itself: behind it there is room for another key. */
static const struct statement *last_own(const struct document *document, size_t runner)
{
    const struct statement *last = NULL;

    for (size_t i = 0; i < document->n; i++)
        if (document->own[i] && document->owners[i] == (int) runner)
            last = &document->statements[i];
    return last;
}

static void add_slice(struct buf *out, const struct document *document, size_t start, size_t end)
{
    if (end > start)
        buf_add(out, document->text + start, end - start);
}

static const char *newline_of(const struct document *document)
{
    const char *first = memchr(document->text, '\n', document->len);

    return first && first > document->text && first[-1] == '\r' ? "\r\n" : "\n";
}

/* A line that breaks off at the end of the file is ended first. */
static void end_line(struct buf *out, const struct document *document)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_add_str(out, newline_of(document));
}

/* In the quotes of the former value, where it can be. */
static void add_value(struct buf *out, const char *former, const char *value)
{
    size_t len = strlen(value);

    if (*former == '\'' && !str_starts(former, "'''") && len >= 2 && *value == '"' &&
        !strpbrk(value, "'\\"))
        buf_addf(out, "'%.*s'", (int) (len - 2), value + 1);
    else
        buf_add_str(out, value);
}

static void replace_value(const struct document *document, const struct statement *statement,
                          const char *value, struct buf *ret)
{
    add_slice(ret, document, 0, statement->value.start);
    add_value(ret, document->text + statement->value.start, value);
    add_slice(ret, document, statement->value.end, document->len);
}

static void insert_key(const struct document *document, const struct statement *behind,
                       const char *key, const char *value, struct buf *ret)
{
    size_t start = behind->lines.start, indent = start;

    while (document->text[indent] == ' ' || document->text[indent] == '\t')
        indent++;
    add_slice(ret, document, 0, behind->lines.end);
    end_line(ret, document);
    add_slice(ret, document, start, indent);
    buf_addf(ret, "%s%s = %s%s", behind->is_header ? "  " : "", key, value, newline_of(document));
    add_slice(ret, document, behind->lines.end, document->len);
}

static int put_in_tree(const struct document *document, struct toml_value *table, const char *key,
                       const char *value, struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    autobuf struct buf line = BUF_SECRET;
    int r;

    buf_addf(&line, "value = %s", value);
    r = parse_text(buf_str(&line), line.len, document->file, &root, err);
    if (r == 0 && toml_put(table, key, &root->items[0]) < 0)
        r = error_set(err, -ENOMEM, "%s: out of memory", document->file);
    return r;
}

int edit_set(const struct buf *text, const char *file, size_t runner, const char *key,
             const char *value, struct buf *ret, struct error *err)
{
    auto_document struct document document = { 0 };
    const struct statement *statement;
    struct toml_value *table = NULL, *former;
    int r = document_read_entry(text, file, runner, &document, &table, err);

    if (r != 0)
        return r;
    former = toml_find_any_case(table, key);
    statement = former ? find_own_key(&document, runner, former->key) : last_own(&document, runner);
    if (!statement)
        return refuse(&document, err);
    if (former)
        replace_value(&document, statement, value, ret);
    else
        insert_key(&document, statement, key, value, ret);
    r = put_in_tree(&document, table, key, value, err);
    return r < 0 ? r : check_meaning(&document, ret, err);
}

int edit_unset(const struct buf *text, const char *file, size_t runner, const char *key,
               struct buf *ret, struct error *err)
{
    auto_document struct document document = { 0 };
    const struct statement *statement = NULL;
    struct toml_value *table = NULL, *former;
    int r = document_read_entry(text, file, runner, &document, &table, err);

    if (r != 0)
        return r;
    former = toml_find_any_case(table, key);
    if (former)
        statement = find_own_key(&document, runner, former->key);
    if (former && !statement)
        return refuse(&document, err);
    add_slice(ret, &document, 0, statement ? statement->lines.start : document.len);
    if (statement) {
        add_slice(ret, &document, statement->lines.end, document.len);
        toml_remove(table, former);
    }
    return check_meaning(&document, ret, err);
}

static void add_entry(const struct document *document, const char *entry_text, struct buf *ret)
{
    const char *newline = newline_of(document);

    add_slice(ret, document, 0, document->len);
    end_line(ret, document);
    if (document->len > 0 && !str_ends(buf_str(ret), "\n\n") && !str_ends(buf_str(ret), "\r\n\r\n"))
        buf_add_str(ret, newline);
    while (*entry_text) {
        size_t len = strcspn(entry_text, "\n");

        buf_add(ret, entry_text, len);
        buf_add_str(ret, newline);
        entry_text += len + (entry_text[len] == '\n');
    }
}

int edit_add_runner(const struct buf *text, const char *file, const char *entry_text,
                    struct buf *ret, struct error *err)
{
    auto_document struct document document = { 0 };
    auto_ptr(toml_free) struct toml_value *added = NULL;
    struct toml_value *list;
    int r = document_read(text, file, &document, err);

    if (r == 0)
        r = parse_text(entry_text, strlen(entry_text), "the new entry", &added, err);
    if (r != 0)
        return r;
    list = toml_find_any_case(added, RUNNERS);
    if (!list || list->type != TOML_ARRAY || list->n_items != 1 || added->n_items != 1)
        return error_set(err, -EINVAL, "the new entry is not one [[runners]]");
    add_entry(&document, entry_text, ret);
    r = document.runners ? toml_put(document.runners, NULL, &list->items[0])
                         : toml_put(document.root, RUNNERS, list);
    if (r < 0)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    return check_meaning(&document, ret, err);
}

/* The comment right above a statement is about it. */
static size_t comment_above(const struct document *document, size_t former_end, size_t start)
{
    size_t above = start;

    for (size_t at = former_end; at < start; at = line_end(document->text, document->len, at))
        if (!line_is_comment(document->text, document->len, at))
            above = start;
        else if (above == start)
            above = at;
    return above;
}

/* What follows the last statement of an entry goes with it: comments without a blank line between, and then the blank
 * lines, but never the comment of what comes next. */
static size_t end_of_entry(const struct document *document, const struct statement *last,
                           const struct statement *next)
{
    size_t end = next ? comment_above(document, last->lines.end, next->lines.start) : document->len;
    size_t at = last->lines.end;

    while (at < end && line_is_comment(document->text, document->len, at))
        at = line_end(document->text, document->len, at);
    while (at < end && line_is_blank(document->text, document->len, at))
        at = line_end(document->text, document->len, at);
    return at;
}

/* Puts the entry, or all but it, into *ret. It may be in several places: its tables can stand behind other tables. */
static void part_entry(const struct document *document, size_t runner, bool entry_alone,
                       struct buf *ret)
{
    size_t kept = 0, start = 0;

    for (size_t i = 0; i < document->n; i++) {
        bool is_its = document->owners[i] == (int) runner;
        bool begins = is_its && (i == 0 || document->owners[i - 1] != (int) runner);
        bool ends = is_its && (i + 1 == document->n || document->owners[i + 1] != (int) runner);

        if (begins)
            start = document->statements[i].lines.start;
        if (begins && !entry_alone)
            add_slice(ret, document, kept, start);
        if (ends)
            kept = end_of_entry(document, &document->statements[i],
                                i + 1 < document->n ? &document->statements[i + 1] : NULL);
        if (ends && entry_alone)
            add_slice(ret, document, start, kept);
    }
    if (!entry_alone)
        add_slice(ret, document, kept, document->len);
}

int edit_remove_runner(const struct buf *text, const char *file, size_t runner, struct buf *ret,
                       struct error *err)
{
    auto_document struct document document = { 0 };
    struct toml_value *table = NULL;
    int r = document_read_entry(text, file, runner, &document, &table, err);

    if (r != 0)
        return r;
    part_entry(&document, runner, false, ret);
    toml_remove(document.runners, table);
    if (document.runners->n_items == 0)
        toml_remove(document.root, document.runners);
    return check_meaning(&document, ret, err);
}

static void keep_entry_alone(struct document *document, size_t runner)
{
    for (size_t i = document->runners->n_items; i-- > 0;)
        if (i != runner)
            toml_remove(document->runners, &document->runners->items[i]);
    for (size_t i = document->root->n_items; i-- > 0;)
        if (document->root->items[i].items != document->runners->items) {
            toml_remove(document->root, &document->root->items[i]);
            document->runners = toml_find_any_case(document->root, RUNNERS);
        }
}

int edit_extract_runner(const struct buf *text, const char *file, size_t runner, struct buf *ret,
                        struct error *err)
{
    auto_document struct document document = { 0 };
    struct toml_value *table = NULL;
    int r = document_read_entry(text, file, runner, &document, &table, err);

    if (r != 0)
        return r;
    part_entry(&document, runner, true, ret);
    keep_entry_alone(&document, runner);
    return check_meaning(&document, ret, err);
}
