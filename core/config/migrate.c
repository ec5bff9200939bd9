/* core/config/migrate.c - see migrate.h. One walk over the statements of a text; what a statement means for us depends
 * on the executor of its [[runners]] entry and on the table that it is in. */
#include "core/config/migrate.h"

#include <errno.h>

#include "core/base/str.h"
#include "core/config/migrate_machine.h"
#include "core/config/statements.h"
#include "core/config/toml_change.h"

#define COMMENT_WIDTH 100
#define SENTENCE_MAX 4096

enum fate { /* of an entry */
            FATE_KEPT,
            FATE_CONTAINERS, /* docker-autoscaler: as it is, but for the containers */
            FATE_MACHINES,   /* docker+machine */
            FATE_DROPPED
};

enum place { /* as far as it matters */
             PLACE_OUTSIDE,
             PLACE_ENTRY, /* the entry itself */
             PLACE_DOCKER,
             PLACE_MACHINE,
             PLACE_OTHER
};

struct migration {
    const char *text;
    size_t len;
    struct toml_value *runners; /* NULL = none */
    size_t entries;             /* begun so far */
    const struct toml_value *entry;
    const struct toml_value *machine; /* whose autoscaler is still to be written */
    bool missed;                      /* one was not: it has no header of its own */
    enum fate fate;
    enum place place;
    struct migrate_notes notes;
};

/* In lines of COMMENT_WIDTH, indented as what follows. */
static void add_comment(struct migrate_notes *notes, const char *sentence)
{
    size_t column = 0;

    for (const char *word = sentence; *word;) {
        size_t len = strcspn(word, " ");

        if (column + 1 + len > COMMENT_WIDTH) {
            buf_add_char(notes->out, '\n');
            column = 0;
        }
        if (column == 0)
            buf_addf(notes->out, "%*s#%s", (int) notes->indent, "",
                     word == sentence ? " flotilla:" : "  ");
        buf_addf(notes->out, " %.*s", (int) len, word);
        column = MAX(column, notes->indent) + 1 + len;
        word += len + (word[len] == ' ');
    }
    buf_add_char(notes->out, '\n');
}

void migrate_note(struct migrate_notes *notes, int line, const char *fmt, ...)
{
    autobuf struct buf sentence = BUF_INIT, shown = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&sentence, fmt, args);
    va_end(args);
    str_display(&shown, buf_str(&sentence), sentence.len,
                SENTENCE_MAX); /* no line of its own begins in it */
    notes->say(notes->arg, line, buf_str(&shown));
    add_comment(notes, buf_str(&shown));
}

static int line_of(const struct migration *m, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += m->text[i] == '\n';
    return line;
}

static void add(struct migration *m, size_t start, size_t end)
{
    if (end > start)
        buf_add(m->notes.out, m->text + start, end - start);
}

static size_t indent_of(const struct migration *m, size_t at)
{
    size_t indent = at;

    while (indent < m->len && (m->text[indent] == ' ' || m->text[indent] == '\t'))
        indent++;
    return indent - at;
}

static void comment_out(struct migration *m, struct span lines)
{
    for (size_t at = lines.start, end; at < lines.end; at = end) {
        size_t indent = at + indent_of(m, at);

        end = line_end(m->text, m->len, at);
        add(m, at, indent);
        buf_add_str(m->notes.out, line_is_blank(m->text, m->len, at) ? "#" : "# ");
        add(m, indent, end);
    }
}

static const char *executor_of(const struct toml_value *entry)
{
    const struct toml_value *executor = toml_find_any_case(entry, "executor");

    return executor && executor->type == TOML_STRING ? executor->text : "";
}

static enum fate decide(const struct toml_value *entry)
{
    const struct toml_value *machine = toml_find_any_case(entry, "machine");
    const char *executor = executor_of(entry);

    if (str_eq(executor, "instance"))
        return FATE_KEPT;
    if (str_eq(executor, "docker-autoscaler"))
        return FATE_CONTAINERS;
    if (str_starts(executor, "docker") && str_ends(executor, "+machine") && machine &&
        machine_is_known(machine))
        return FATE_MACHINES;
    return FATE_DROPPED;
}

/* Why an entry cannot come along, and what there is instead. */
static const char *reason_of(const char *executor)
{
    static const struct {
        const char *executor, *reason;
    } reasons[] = {
        { "shell",
          "ran jobs on the machine of the manager. Name that machine, or better others, in "
          "plugin_config of the plugin 'static'; `flotilla exec` runs a pipeline here" },
        { "ssh", "ran jobs on one machine. List it in plugin_config of the plugin 'static'" },
        { "docker",
          "ran jobs in containers beside the manager. Jobs of flotilla run on instances: in "
          "a group of a cloud, or on the machines that the plugin 'static' lists" },
        { "kubernetes",
          "ran jobs as pods. There is nothing alike: jobs of flotilla run on instances" },
        { "docker+machine",
          "made machines by a driver for which there is no provider: sdk/template "
          "is one to begin with, and the plugin 'static' takes machines that exist" },
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_eq(executor, reasons[i].executor))
            return reasons[i].reason;
    return "has no counterpart: jobs of flotilla run on instances that a plugin makes or lists";
}

/* After the last line of the tables by which machines were made. */
static void leave_machine(struct migration *m)
{
    if (m->place != PLACE_MACHINE || !m->machine)
        return;
    if (!str_ends(buf_str(m->notes.out), "\n"))
        buf_add_char(m->notes.out, '\n');
    machine_add_autoscaler(&m->notes, m->entry, m->machine);
    m->machine = NULL;
}

/* As the manager finds a plugin: registry and version do not count. */
static void tell_of_plugin(struct migration *m, int line)
{
    static const char *const known[] = { "aws", "googlecompute", "googlecloud",
                                         "gcp", "static",        "local" };
    const struct toml_value *autoscaler = toml_find_any_case(m->entry, "autoscaler");
    const struct toml_value *plugin = toml_find_any_case(autoscaler, "plugin");
    const char *name = plugin && plugin->type == TOML_STRING ? plugin->text : "";
    const char *slash = strrchr(name, '/'), *last = slash && *name != '/' ? slash + 1 : name;
    size_t len = strcspn(last, ":@");

    if (last != name || name[len])
        migrate_note(&m->notes, line,
                     "of plugin \"%s\" only the name counts: what is installed is used, and no "
                     "registry is asked",
                     name);
    if (str_starts(last, "fleeting-plugin-")) {
        last += strlen("fleeting-plugin-");
        len -= strlen("fleeting-plugin-");
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i]) == len && strncmp(known[i], last, len) == 0)
            return;
    if (len > 0 && *name != '/')
        migrate_note(
            &m->notes, line,
            "flotilla brings no plugin \"%.*s\", and those of GitLab Runner are not of its "
            "kind; sdk/template is one to begin with",
            (int) len, last);
}

static void begin_entry(struct migration *m, int line)
{
    m->missed = m->missed || m->machine;
    m->entry = &m->runners->items[m->entries++];
    m->fate = decide(m->entry);
    m->machine = m->fate == FATE_MACHINES ? toml_find_any_case(m->entry, "machine") : NULL;
    if (m->fate == FATE_DROPPED)
        migrate_note(&m->notes, line, "this entry is left out: executor \"%s\" %s",
                     executor_of(m->entry), reason_of(executor_of(m->entry)));
    else if (m->fate != FATE_MACHINES)
        tell_of_plugin(m, line);
}

/* By the second part of a key, "runners.machine.autoscaling". */
static enum place place_below(const struct migration *m, struct span key)
{
    while (key.start < key.end && m->text[key.start] != '.')
        key.start++;
    key.start += key.start < key.end;
    while (key.start < key.end && (m->text[key.start] == ' ' || m->text[key.start] == '\t'))
        key.start++;
    return key_begins(m->text, key, "docker")    ? PLACE_DOCKER
           : key_begins(m->text, key, "machine") ? PLACE_MACHINE
                                                 : PLACE_OTHER;
}

static enum place place_of(const struct migration *m, const struct statement *header)
{
    if (!m->runners || !key_begins(m->text, header->key, m->runners->key))
        return PLACE_OUTSIDE;
    return key_parts(m->text, header->key) == 1 ? PLACE_ENTRY : place_below(m, header->key);
}

static bool is_changed(const struct migration *m)
{
    return m->fate == FATE_CONTAINERS || m->fate == FATE_MACHINES;
}

static void enter(struct migration *m, const struct statement *header)
{
    enum place place = place_of(m, header);
    int line = line_of(m, header->lines.start);

    if (place == PLACE_OUTSIDE)
        m->fate = FATE_KEPT;
    else if (place == PLACE_ENTRY && m->entries < m->runners->n_items)
        begin_entry(m, line);
    else if (place == PLACE_DOCKER && m->place != PLACE_DOCKER && is_changed(m))
        migrate_note(
            &m->notes, line,
            "jobs run on the instance itself and not in a container: the image of the group must "
            "have what they need, or they call `docker run` where it is installed. A job for "
            "itself: max_use_count = 1, or a VM by [runners.autoscaler.vm_isolation]. So this is "
            "left out:");
    else if (place == PLACE_MACHINE && m->place != PLACE_MACHINE && m->machine)
        migrate_note(&m->notes, line,
                     "the group of the cloud makes the machines; what this was is "
                     "[runners.autoscaler] below:");
    m->place = place;
}

static bool is_executor(const struct migration *m, const struct statement *statement)
{
    const struct toml_value *executor = toml_find_any_case(m->entry, "executor");

    return executor && m->place == PLACE_ENTRY && !statement->is_header &&
           key_parts(m->text, statement->key) == 1 &&
           key_begins(m->text, statement->key, executor->key);
}

static void change_executor(struct migration *m, const struct statement *statement)
{
    migrate_note(&m->notes, line_of(m, statement->lines.start), "was executor = \"%s\"",
                 executor_of(m->entry));
    add(m, statement->lines.start, statement->value.start);
    buf_add_str(m->notes.out, "\"instance\"");
    add(m, statement->value.end, statement->lines.end);
}

static void one(struct migration *m, const struct statement *statement)
{
    if (m->fate == FATE_DROPPED ||
        (is_changed(m) && (m->place == PLACE_DOCKER || m->place == PLACE_MACHINE)))
        comment_out(m, statement->lines);
    else if (is_changed(m) && is_executor(m, statement))
        change_executor(m, statement);
    else
        add(m, statement->lines.start, statement->lines.end);
}

static void walk(struct migration *m)
{
    struct statement statement;
    size_t done = 0;

    for (size_t at = 0; statement_next(m->text, m->len, &at, &statement);) {
        if (statement.is_header && place_of(m, &statement) != PLACE_MACHINE)
            leave_machine(m);
        add(m, done, statement.lines.start);
        m->notes.indent = indent_of(m, statement.lines.start);
        if (statement.is_header)
            enter(m, &statement);
        one(m, &statement);
        done = statement.lines.end;
    }
    add(m, done, m->len);
    leave_machine(m);
}

/* Each entry that is left is one of ours, and none was lost on the way. */
static int check_result(const struct migration *m, const char *file, struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    const struct buf *out = m->notes.out;
    const struct toml_value *runners;
    size_t want = 0, kept = 0;
    struct toml_place where;
    struct error why = { 0 };
    bool right = toml_parse(buf_str(out), out->len, &root, &where, &why) == 0;

    for (size_t i = 0; m->runners && i < m->runners->n_items; i++)
        want += decide(&m->runners->items[i]) != FATE_DROPPED;
    runners = toml_find_any_case(root, "runners");
    for (size_t i = 0; right && runners && i < runners->n_items; i++, kept++)
        right = str_eq(executor_of(&runners->items[i]), "instance");
    if (right && kept == want && !m->missed && !m->machine)
        return 0;
    return error_set(err, -ENOTSUP,
                     "%s: is written in a way that flotilla cannot change without harm; write its "
                     "runners as [[runners]], their tables with headers such as "
                     "[runners.machine], and one key a line",
                     file);
}

int migrate(const struct buf *text, const char *file, migrate_say_fn say, void *arg,
            struct buf *ret, struct error *err)
{
    auto_ptr(toml_free) struct toml_value *root = NULL;
    struct migration m = { .text = buf_str(text),
                           .len = text->len,
                           .notes = { .say = say, .arg = arg, .out = ret } };
    struct toml_place where;
    struct error why = { 0 };

    if (toml_parse(m.text, m.len, &root, &where, &why) < 0)
        return error_set(err, -EINVAL, "%s:%d:%d: %s", file, where.line, where.column, why.message);
    m.runners = toml_find_any_case(root, "runners");
    if (m.runners && m.runners->type != TOML_ARRAY)
        m.runners = NULL;
    walk(&m);
    if (buf_error(ret))
        return error_set(err, buf_error(ret), "%s: out of memory", file);
    return check_result(&m, file, err);
}
