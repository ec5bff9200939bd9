/* tests/unit/job/test_fetch.c - mirrors core/job/get_sources.c: a job in the directory of an earlier
 * one, whatever that one left there. With real git, in each of the shells.
 *
 * A bare repository has two commits on `main`. A job that fetched the first one has made its clone
 * below HOME, which is a repository of its own; each row copies it, does something to the clone,
 * and runs a job for the second commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/job/sources.h"

static const char make_remote[] =
    AUTHOR "git init -q -b main work\ncd work\n"
           "printf 'same\\n' > KEEP; printf 'one\\n' > README; printf '*.o\\n' > .gitignore\n"
           "git add .; git commit -q -m one\n"
           "printf 'two\\n' > README; git commit -q -a -m two\n"
           "git clone -q --bare . ../g/p.git; cd ..\n"
           "git -C work rev-parse main~1 main\n";

/* What all rows start from. */
struct world {
    char *dir;
    char first[41], second[41];
};

static int run_job(const struct world *world, enum harness_shell shell, const char *home,
                   const char *sha, const char *git_info, const char *variables, struct buf *out)
{
    return run_sources(world->dir, shell, home, sha, git_info, variables, "{}", out);
}

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    autofree char *home = NULL;
    autobuf struct buf shas = BUF_INIT, out = BUF_INIT;

    world->dir = harness_temp_dir();
    must(world->dir, make_remote, &shas);
    assert_int_equal(shas.len, 2 * sizeof(world->first));
    memcpy(world->first, shas.data, sizeof(world->first) - 1);
    memcpy(world->second, shas.data + sizeof(world->first), sizeof(world->second) - 1);
    must(world->dir, "mkdir before && git init -q before && touch before/precious", &out);
    home = harness_path(world->dir, "before");
    if (run_job(world, HARNESS_BASH, home, world->first, "", "", &out) != 0)
        fail_msg("%s", buf_str(&out));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    harness_remove_dir(world->dir);
    test_free(world);
    return 0;
}

/* Nothing but the wanted commit, and nothing done outside the project. */
static const char show[] =
    "cd " PROJECT "\n"
    "cat README KEEP .gitignore; ls -A | tr '\\n' ' '; git status --porcelain --ignored\n"
    "git ls-files -v; git rev-parse HEAD --show-toplevel | sed 's|.*/||'; cat .git/config\n"
    "cd - > /dev/null; ls -A; find .. -name HACKED\n";

static void assert_sources(const struct world *world, const char *why, const char *home)
{
    autofree char *want =
        mem_printf("two\nsame\n*.o\n.git .gitignore KEEP README H .gitignore\nH KEEP\nH "
                   "README\n%s\nproject-9\n"
                   "[fetch]\n\trecurseSubmodules = false\n"
                   "[credential]\n\tinteractive = never\n[gc]\n\tautoDetach = false\n"
                   "[include]\n\tpath = \"%s/" PROJECT ".tmp/.gitlab-runner.ext.conf\"\n"
                   "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
                   "\tlogallrefupdates = true\n"
                   "[remote \"origin\"]\n\turl = file://%s/g/p.git\n"
                   "\tfetch = +refs/heads/*:refs/remotes/origin/*\n.git\nbuilds\nprecious\n",
                   world->second, home, world->dir);
    autobuf struct buf out = BUF_INIT;

    must(home, show, &out);
    if (!str_eq(buf_str(&out), want))
        fail_msg("%s: not\n%s but\n%s", why, want, buf_str(&out));
}

#define REUSED "Reinitialized existing Git repository in"
#define CANNOT "holds a repository that cannot be brought to the wanted commit and is replaced"
#define NO_REPOSITORY "is no Git repository of its own and is replaced by a clone"
#define OTHER_FORMAT "holds a repository of another object format and is replaced by a clone"
#define EVIL_CONFIG                                                                                \
    "git config core.fsmonitor 'touch ../HACKED; false'\n"                                         \
    "git config core.sshCommand 'touch ../HACKED'\n"                                               \
    "git config filter.evil.smudge 'touch ../HACKED; cat'\n"                                       \
    "git config core.hooksPath \"$PWD/evil\"; mkdir evil\n"                                        \
    "printf '#!/bin/sh\\ntouch ../HACKED\\n' > evil/post-checkout; chmod +x evil/post-checkout\n"  \
    "git config url.file:///nowhere.insteadOf file://\n"                                           \
    "git config credential.helper 'store --file=/nowhere'\n"                                       \
    "git config http.extraHeader 'Authorization: Basic x'\n"

static const struct {
    const char *why, *damage, *line;
} rows[] = {
    { "nothing happened", ":", REUSED },
    { "locks of a job that was killed",
      "touch .git/{index,shallow,HEAD,config}.lock .git/refs/heads/main.lock; "
      "mkdir -p .git/refs/pipelines; touch .git/refs/pipelines/1.lock",
      REUSED },
    { "a configuration that runs code and leads elsewhere", EVIL_CONFIG, REUSED },
    { "attributes of an earlier job",
      EVIL_CONFIG
      "mkdir -p .git/info; printf '* filter=evil\\nREADME text eol=crlf\\n' > .git/info/attributes",
      REUSED },
    { "attributes in files that no commit has",
      "printf 'README text eol=crlf\\n* text=auto\\n' > .gitattributes", REUSED },
    { "a repository that takes its configuration from elsewhere",
      EVIL_CONFIG "cp -a .git ../other; echo \"$PWD/../other\" > .git/commondir", REUSED },
    { "a hook",
      "mkdir -p .git/hooks; printf '#!/bin/sh\\ntouch ../HACKED\\n' > "
      ".git/hooks/reference-transaction; "
      "chmod +x .git/hooks/reference-transaction",
      REUSED },
    { "another remote", "git remote set-url origin https://user:password@nowhere.invalid/p.git",
      REUSED },
    { "files changed, added and hidden",
      "echo x > README; rm KEEP; mkdir KEEP; touch KEEP/x a.o; mkdir -p new/deep; touch "
      "new/deep/x; "
      "git init -q nested; ln -s / link",
      REUSED },
    { "a sparse checkout",
      "git status > /dev/null; git sparse-checkout set --no-cone nothing; [ ! -e README ]",
      REUSED },
    { "files that git was told not to look at",
      "git update-index --assume-unchanged KEEP; echo x > KEEP", REUSED },
    { "one object in the place of another",
      "git replace \"$(git rev-parse HEAD:KEEP)\" \"$(echo evil | git hash-object -w --stdin)\"; "
      "rm KEEP; printf 'evil\\n' > ../wanted; git -C . cat-file -p HEAD:KEEP | cmp - ../wanted; "
      "rm ../wanted",
      REUSED },
    { "no repository", "rm -rf .git", NO_REPOSITORY },
    { "an empty directory", "rm -rf .git .gitignore README KEEP", "Created fresh repository." },
    { "no directory", "cd ..; rm -rf project-9", "Created fresh repository." },
    { "a repository elsewhere", "mv .git ../moved; ln -s ../moved .git", NO_REPOSITORY },
    { "a repository elsewhere, by a file", "mv .git ../moved; echo gitdir: ../moved > .git",
      NO_REPOSITORY },
    { "a directory elsewhere", "cd ..; mv project-9 moved; ln -s moved project-9", NO_REPOSITORY },
    { "a link to nowhere", "cd ..; rm -rf project-9; ln -s nowhere project-9", NO_REPOSITORY },
    { "another object format", "rm -rf .git; git init -q --object-format=sha256", OTHER_FORMAT },
    { "a head that is none", "echo garbage > .git/HEAD", CANNOT },
    { "no objects", "rm -rf .git/objects; mkdir .git/objects", REUSED },
    { "a damaged index", "printf 'DIRC and rubbish' > .git/index", CANNOT },
    { "a damaged configuration", "echo '[[[' > .git/config", REUSED },
    { "damaged objects",
      "find .git/objects -type f -exec chmod u+w '{}' ';' -exec cp /dev/null '{}' ';'", CANNOT },
};

static void test_a_job_gets_its_sources_whatever_the_last_one_left(void **state)
{
    const struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *home = mem_printf("%s/row%zu", world->dir, i);
        autofree char *damage =
            mem_printf("cp -a before row%zu\nexport HOME=$PWD/row%zu\ncd $HOME/" PROJECT "\n%s\n",
                       i, i, rows[i].damage);
        autobuf struct buf said = BUF_INIT, out = BUF_INIT;

        must(world->dir, damage, &said);
        buf_clear(&said);
        if (run_job(world, (enum harness_shell)(i % HARNESS_SHELLS), home, world->second, "", "",
                    &out) != 0)
            fail_msg("%s: %s", rows[i].why, buf_str(&out));
        assert_said(rows[i].why, &out, rows[i].line, true);
        assert_said(rows[i].why, &out, "replaced", strstr(rows[i].line, "replaced") != NULL);
        assert_sources(world, rows[i].why, home);
    }
}

/* The words that people know from the peer. */
static void test_lines_of_a_fetch_in_every_shell(void **state)
{
    const struct world *world = *state;

    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        autofree char *home = mem_printf("%s/shell%d", world->dir, (int) shell);
        autofree char *copy = mem_printf("cp -a before shell%d", (int) shell);
        autofree char *want =
            mem_printf("\033[32;1mFetching changes...\033[0;m\n" REUSED " %s/" PROJECT "/.git/\n"
                       "\033[32;1mChecking out %.8s as detached HEAD (ref is main)...\033[0;m\n"
                       "\033[32;1mSkipping Git submodules setup\033[0;m\n",
                       home, world->second);
        autobuf struct buf out = BUF_INIT;

        must(world->dir, copy, &out);
        assert_int_equal(run_job(world, shell, home, world->second, "", "", &out), 0);
        if (!str_eq(buf_str(&out), want))
            fail_msg("%s: not\n%s but\n%s", harness_shell_names[shell], want, buf_str(&out));
        assert_sources(world, harness_shell_names[shell], home);
    }
}

/* A clone that works is not thrown away because the server does not. */
static void test_a_server_that_fails_costs_no_clone(void **state)
{
    const struct world *world = *state;
    autofree char *home = harness_path(world->dir, "home");
    autobuf struct buf out = BUF_INIT;

    must(world->dir, "cp -a before home; mv g away", &out);
    assert_int_equal(run_job(world, HARNESS_DASH, home, world->second, "", "", &out), 128);
    assert_said("gone", &out, "replaced", false);
    assert_said("gone", &out, "fatal:", true);
    must(world->dir, "mv away g; git -C home/" PROJECT " cat-file -e HEAD^{commit}", &out);
}

/* GIT_DEPTH in both directions. */
static void test_depth_may_change(void **state)
{
    static const struct {
        const char *git_info, *commits;
    } jobs[] = { { ",\"depth\":1", "1\n" }, { ",\"depth\":0", "2\n" }, { ",\"depth\":20", "2\n" } };
    const struct world *world = *state;
    autofree char *home = harness_path(world->dir, "home");

    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        autobuf struct buf out = BUF_INIT, count = BUF_INIT;

        must(world->dir, i == 0 ? "mkdir home" : ":", &out);
        if (run_job(world, HARNESS_BUSYBOX, home, world->second, jobs[i].git_info, "", &out) != 0)
            fail_msg("%s", buf_str(&out));
        must(home, "git -C " PROJECT " rev-list --count HEAD", &count);
        assert_string_equal(buf_str(&count), jobs[i].commits);
        assert_said("depth", &out, "Fetching changes with git depth set to 1...", i == 0);
    }
}

/* GIT_CLEAN_FLAGS and GIT_FETCH_EXTRA_FLAGS, each as a list of words. */
static void test_flags_of_the_job(void **state)
{
    static const struct {
        const char *variable, *check;
    } cases[] = {
        { WITH("GIT_CLEAN_FLAGS", "-ffd"), "[ -e a.o ] && [ ! -e new ]" },
        { WITH("GIT_CLEAN_FLAGS", " -ffdx  -e  n* "), "[ ! -e a.o ] && [ -e new ]" },
        { WITH("GIT_CLEAN_FLAGS", "none"), "[ -e a.o ] && [ -e new ]" },
        { WITH("GIT_FETCH_EXTRA_FLAGS", "--tags --prune"), "[ ! -e a.o ] && git rev-parse -q t" },
        { WITH("GIT_FETCH_EXTRA_FLAGS", "none"), "[ ! -e a.o ]" },
        { WITH("GIT_CHECKOUT", "false"), "[ -e a.o ] && grep -q one README" },
    };
    const struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *home = mem_printf("%s/flags%zu", world->dir, i);
        autofree char *copy = mem_printf("cp -a before flags%zu; cd flags%zu/" PROJECT
                                         "; touch a.o new; git -C %s/g/p.git tag -f t main",
                                         i, i, world->dir);
        autofree char *check = mem_printf("cd " PROJECT "; %s", cases[i].check);
        autobuf struct buf out = BUF_INIT;

        must(world->dir, copy, &out);
        if (run_job(world, HARNESS_DASH, home, world->second, "", cases[i].variable, &out) != 0)
            fail_msg("%s: %s", cases[i].variable, buf_str(&out));
        must(home, check, &out);
    }
}

/* clean_git_config and safe_directory_checkout, for two jobs. */
static void test_settings_of_the_runner(void **state)
{
    static const struct {
        const char *runner, *check;
    } cases[] = {
        { "{}", "[ -z \"$(git config a.b)\" ] && [ ! -e .git/hooks/x ] && "
                "[ -z \"$(git config --global safe.directory)\" ]" },
        { "{\"clean_git_config\":true}", "[ -z \"$(git config a.b)\" ]" },
        { "{\"clean_git_config\":false}",
          "[ \"$(git config a.b)\" = c ] && [ -e .git/hooks/x ] && "
          "[ \"$(git config --get-all include.path)\" = \"$PWD.tmp/.gitlab-runner.ext.conf\" ] && "
          "git config remote.origin.url | grep -q '/g/p.git$'" },
        { "{\"safe_directory_checkout\":true}",
          "[ \"$(git config --global --get-all safe.directory)\" = \"$PWD\" ]" },
    };
    const struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *home = mem_printf("%s/settings%zu", world->dir, i);
        autofree char *copy =
            mem_printf("cp -a before settings%zu; cd settings%zu/" PROJECT "; mkdir -p .git/hooks\n"
                       "touch .git/hooks/x; git config a.b c; git config remote.origin.url x",
                       i, i);
        autofree char *check = mem_printf("cd " PROJECT "; %s", cases[i].check);
        autobuf struct buf out = BUF_INIT;

        must(world->dir, copy, &out);
        for (int n = 0; n < 2; n++)
            if (run_sources(world->dir, HARNESS_DASH, home, world->second, "", "", cases[i].runner,
                            &out) != 0)
                fail_msg("%s: %s", cases[i].runner, buf_str(&out));
        must(home, check, &out);
    }
}

/* Before a second attempt all files go, and nothing else. */
static void test_worktree_is_cleared(void **state)
{
    static const struct {
        const char *damage;
        bool cleared;
    } places[] = {
        { ":", true },
        { EVIL_CONFIG, true },
        { "echo garbage > .git/HEAD", true },
        { "rm -rf .git", false },
        { "cd ..; rm -rf project-9", false },
    };
    const struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        autojob struct job job = start_job("{\"git_info\":{\"repo_url\":\"file:///p.git\","
                                           "\"sha\":\"" START_SHA "\",\"ref\":\"main\"}}",
                                           "{}");
        autofree char *home = mem_printf("%s/clear%zu", world->dir, i);
        autofree char *damage = mem_printf("cp -a before clear%zu; cd clear%zu/" PROJECT
                                           "; mkdir -p b/.git .c; touch a.o b/.git/d; %s",
                                           i, i, places[i].damage);
        autobuf struct buf body = BUF_INIT, script = BUF_INIT, out = BUF_INIT, errors = BUF_INIT;

        must(world->dir, damage, &out);
        assert_int_equal(directories_set(&job, home, NULL), 0);
        clear_worktree_script(&job, &body);
        assert_int_equal(stage_script(&job, buf_str(&body), 0, &script), 0);
        if (harness_run_shell((enum harness_shell)(i % HARNESS_SHELLS), home, &script, &out,
                              &errors) != 0)
            fail_msg("%s: %s", places[i].damage, buf_str(&errors));
        assert_said("clear", &out, "Deleting tracked and untracked files...", true);
        must(home,
             places[i].cleared ? "[ \"$(ls -A " PROJECT ")\" = .git ]; ls precious; [ ! -e " PROJECT
                                 "/../HACKED ]"
                               : "ls precious",
             &out);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_job_gets_its_sources_whatever_the_last_one_left),
        TEST(test_lines_of_a_fetch_in_every_shell),
        TEST(test_a_server_that_fails_costs_no_clone),
        TEST(test_depth_may_change),
        TEST(test_flags_of_the_job),
        TEST(test_settings_of_the_runner),
        TEST(test_worktree_is_cleared),
    };

    (void) umask(022);
    return cmocka_run_group_tests_name("job-fetch", tests, NULL, NULL);
}
