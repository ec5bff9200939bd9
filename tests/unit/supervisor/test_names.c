/* tests/unit/supervisor/test_names.c - mirrors core/supervisor/names.c: what an operator's word means, and that two
 * meanings are told apart instead of guessed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/names.h"

static void test_a_word_may_say_what_it_names(void **unused)
{
    static const struct {
        const char *word;
        enum named_kind kind;
        const char *text;
        int64_t job_id;
    } cases[] = {
        { "linux", NAMED_ANY, "linux", 0 },
        { "runner:linux", NAMED_RUNNER, "linux", 0 },
        { "instance:i-1", NAMED_INSTANCE, "i-1", 0 },
        { "instance:runner:x", NAMED_INSTANCE, "runner:x", 0 },
        { "job:12", NAMED_JOB, "12", 12 },
        { "12", NAMED_ANY, "12", 12 },
        { "runner:12", NAMED_RUNNER, "12", 0 },
        { "0", NAMED_ANY, "0", 0 },
        { "-3", NAMED_ANY, "-3", 0 },
        { "12x", NAMED_ANY, "12x", 0 },
        { "99999999999999999999", NAMED_ANY, "99999999999999999999", 0 },
        { "runner:", NAMED_ANY, "runner:", 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct operator_name name = name_parse(cases[i].word);

        if (name.kind != cases[i].kind || !str_eq(name.text, cases[i].text) ||
            name_job_id(&name) != cases[i].job_id)
            fail_msg("%s: kind %d, '%s', job %lld", cases[i].word, name.kind, name.text,
                     (long long) name_job_id(&name));
    }
}

static void test_a_request_without_a_fit_name_is_refused(void **unused)
{
    char longest[1026];
    struct operator_name name;

    (void) unused;
    memset(longest, 'x', sizeof(longest));
    for (size_t len = 0; len <= 1025; len += len == 0 ? 1 : 1024) {
        autojson json_t *request = json_frame("drain");

        longest[len] = '\0';
        assert_int_equal(json_add_str(request, "name", longest), 0);
        longest[len] = 'x';
        assert_int_equal(name_of_request(request, true, &name, NULL), len == 1 ? 0 : -EINVAL);
        (void) json_add_i64(request, "name", 3);
        assert_int_equal(name_of_request(request, false, &name, NULL), -EINVAL);
        json_object_object_del(request, "name");
        assert_int_equal(name_of_request(request, false, &name, NULL), 0);
        assert_null(name.text);
        assert_int_equal(name_of_request(request, true, &name, NULL), -EINVAL);
    }
}

/* Runners "a" and "b", each with instances; a foreign one has '?' before its id. */
struct place {
    struct supervisor supervisor;
    struct config_runner runners[2];
    struct group groups[2], *list[2];
};

static void add(struct place *place, size_t i, const char *name, const char *const *ids)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 9 };
    struct group *group = &place->groups[i];

    place->runners[i].name = mem_strdup(name);
    group->runner = &place->runners[i];
    group->supervisor = &place->supervisor;
    assert_int_equal(fleet_new(&config, &group->fleet), 0);
    for (; *ids; ids++) {
        bool foreign = **ids == '?';
        struct fleet_instance saved = { .state = INSTANCE_RUNNING,
                                        .cause = foreign ? CAUSE_FOREIGN : CAUSE_REQUESTED };

        (void) str_copy(saved.id, sizeof(saved.id), *ids + foreign);
        assert_int_equal(fleet_restore(group->fleet, &saved), 0);
    }
    place->list[i] = group;
    place->supervisor.groups = place->list;
    place->supervisor.n_groups = i + 1;
}

static void test_a_name_finds_one_thing_or_says_what_to_say(void **unused)
{
    static const struct {
        const char *word, *found, *why; /* "RUNNER" or "RUNNER/ID" */
    } cases[] = {
        { "a", "a", "" },
        { "i-1", "a/i-1", "" },
        { "runner:b", "b", "" },
        { "both", NULL, "'both' is a runner and an instance; say runner:both or instance:both" },
        { "runner:both", "both", "" },
        { "instance:both", "a/both", "" },
        { "twin", NULL, "2 runners have an instance 'twin'; say which, as in instance:both/twin" },
        { "instance:a/twin", "a/twin", "" },
        { "both/twin", "both/twin", "" },
        { "moved", "a/moved", "" },
        { "i-2", NULL, "there is no runner or instance 'i-2'; did you mean 'i-1'?" },
        { "runner:i-1", NULL, "there is no runner 'i-1'; `flotilla fleet` lists them" },
        { "instance:mooved", NULL, "there is no instance 'mooved'; did you mean 'moved'?" },
        { "nowhere", NULL,
          "there is no runner or instance 'nowhere'; `flotilla fleet` lists them" },
    };
    static const char *const ids_of_a[] = { "i-1", "both", "twin", "moved", NULL };
    static const char *const ids_of_both[] = { "twin", "?moved", NULL };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct place *place = mem_zero(sizeof(*place));
        struct operator_name name = name_parse(cases[i].word);
        struct named found = { 0 };
        struct error err = { 0 };
        autobuf struct buf text = BUF_INIT;
        int r;

        add(place, 0, "a", ids_of_a);
        add(place, 1, str_ends(cases[i].word, "b") ? "b" : "both", ids_of_both);
        r = name_find(&place->supervisor, &name, &found, &err);
        if (r == 0)
            buf_addf(&text, "%s%s%s", found.group->runner->name, found.instance ? "/" : "",
                     found.instance ? found.instance->id : "");
        if ((r == 0) != (cases[i].found != NULL) ||
            (r == 0 && !str_eq(buf_str(&text), cases[i].found)) ||
            !str_eq(err.message, cases[i].why))
            fail_msg("%s: %d, '%s', '%s'", cases[i].word, r, buf_str(&text), err.message);
        for (size_t k = 0; k < 2; k++) {
            fleet_free(place->groups[k].fleet);
            free(place->runners[k].name);
        }
        free(place);
    }
}

/* A reload that gives an entry another instance group leaves the old one behind under the same name. */
static void test_the_entry_of_a_name_comes_before_one_that_left(void **unused)
{
    static const struct {
        bool leaves[2];
        int found; /* -1: it is said that there are two */
    } cases[] = { { { true, false }, 1 }, { { false, true }, 0 }, { { false, false }, -1 } };
    static const char *const none[] = { NULL };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct place *place = mem_zero(sizeof(*place));
        struct operator_name name = name_parse("same");
        struct named found = { 0 };
        struct error err = { 0 };
        int r;

        for (size_t k = 0; k < 2; k++) {
            add(place, k, "same", none);
            place->groups[k].leaving = cases[i].leaves[k];
        }
        r = name_find(&place->supervisor, &name, &found, &err);
        if (cases[i].found < 0)
            assert_non_null(strstr(err.message, "2 runners are named 'same'"));
        else
            assert_int_equal(r, 0);
        if (cases[i].found >= 0)
            assert_ptr_equal(found.group, &place->groups[cases[i].found]);
        for (size_t k = 0; k < 2; k++) {
            fleet_free(place->groups[k].fleet);
            free(place->runners[k].name);
        }
        free(place);
    }
}

static void test_a_number_finds_one_job_or_says_what_to_say(void **unused)
{
    static const struct {
        const char *word;
        int r;
        int64_t seq, id;
        const char *why;
    } cases[] = {
        { "7", 1, 1, 7, "" },
        { "job:7", 1, 1, 7, "" },
        { "8", -EINVAL, 0, 8, "several jobs are numbered 8; say which, as in job:b/8" },
        { "b/8", 1, 3, 8, "" },
        { "job:a/8", 1, 2, 8, "" },
        { "b/7", 0, 0, 7, "" },
        { "9", 0, 0, 9, "" },
        { "runner:7", 0, 0, 0, "" },
        { "a", 0, 0, 0, "" },
    };
    static const char *const none[] = { NULL };
    struct place place = { 0 };
    struct job jobs[] = { { .seq = 1, .job_id = 7, .group = &place.groups[0], .next = &jobs[1] },
                          { .seq = 2, .job_id = 8, .group = &place.groups[0], .next = &jobs[2] },
                          { .seq = 3, .job_id = 8, .group = &place.groups[1] } };

    (void) unused;
    add(&place, 0, "a", none);
    add(&place, 1, "b", none);
    place.supervisor.jobs = jobs;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct operator_name name = name_parse(cases[i].word);
        struct error err = { 0 };
        struct job *job = NULL;
        int64_t id = 0;
        int r = name_find_job(&place.supervisor, &name, &job, &id, &err);

        if (r != cases[i].r || id != cases[i].id || !str_eq(err.message, cases[i].why) ||
            (r == 1 && job->seq != cases[i].seq))
            fail_msg("%s: %d, '%s'", cases[i].word, r, err.message);
    }
    for (size_t k = 0; k < 2; k++) {
        fleet_free(place.groups[k].fleet);
        free(place.runners[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_word_may_say_what_it_names),
        cmocka_unit_test(test_a_request_without_a_fit_name_is_refused),
        cmocka_unit_test(test_a_name_finds_one_thing_or_says_what_to_say),
        cmocka_unit_test(test_the_entry_of_a_name_comes_before_one_that_left),
        cmocka_unit_test(test_a_number_finds_one_job_or_says_what_to_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
