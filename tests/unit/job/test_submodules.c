/* tests/unit/job/test_submodules.c - mirrors core/job/get_sources_submodules.c and the submodules of
 * get_sources_clean.c: a job in the directory of an earlier one, whatever that one left in its
 * submodules. With real git, in each of the shells.
 *
 * The project has a submodule `sub/mid` that has one, `deep/lib`; both change with the project's
 * second commit. A job that fetched the first one with all of them has made its clone below HOME; each
 * row copies it, does something to it, and runs a job for the second commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/job/sources.h"

static const char make_remotes[] =
    AUTHOR "export HOME=$PWD\n"
           /* Git's own default keeps submodules from local paths; this machine allows them. */
           "git config --global protocol.file.allow always\n"
           "git config --global init.defaultBranch main\nmkdir g\n"
           "make() {\n" /* a repository, its submodule's place, the submodule's repository */
           "  git init -q $1; git -C $1 remote add origin \"file://$HOME/g/$1.git\"; cd $1\n"
           "  echo one > FILE; echo same > KEEP; git add .\n"
           "  if [ -n \"$2\" ]; then git submodule --quiet add ../$3.git $2; fi\n"
           "  git commit -q -m one; cd ..; git clone -q --bare $1 g/$1.git; }\n"
           "make lib '' ''; make mid deep/lib lib; make p sub/mid mid\n"
           "mkdir busybox; ln -s $(command -v busybox) busybox/find\n"
           "git -C p rev-parse main\n";
static const char change_remotes[] =
    AUTHOR "export HOME=$PWD\n"
           "change() {\n"
           "  cd $1; echo two > FILE; if [ -n \"$2\" ]; then git -C $2 pull -q origin main; fi\n"
           "  git commit -q -a -m two; git push -q origin main; cd ..; }\n"
           "change lib ''; change mid deep/lib; change p sub/mid\n"
           "git -C p rev-parse main\n";

struct world {
    char *dir;
    char second[41];
};

#define RECURSIVE WITH("GIT_SUBMODULE_STRATEGY", "recursive") WITH("GIT_CLEAN_FLAGS", "-ffd")

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    autofree char *home = NULL;
    autobuf struct buf first = BUF_INIT, second = BUF_INIT, out = BUF_INIT;

    world->dir = harness_temp_dir();
    must(world->dir, make_remotes, &first);
    assert_int_equal(first.len, sizeof(world->second));
    first.data[--first.len] = '\0';
    must(world->dir, "mkdir before; cp .gitconfig before", &out);
    home = harness_path(world->dir, "before");
    if (run_sources(world->dir, HARNESS_BASH, home, buf_str(&first), "", RECURSIVE, "{}", &out) !=
        0)
        fail_msg("%s", buf_str(&out));
    must(world->dir, change_remotes, &second);
    assert_int_equal(second.len, sizeof(world->second));
    memcpy(world->second, second.data, sizeof(world->second) - 1);
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

#define EVIL_CONFIG(where)                                                                         \
    "git -C " where " config core.fsmonitor 'touch $HOME/HACKED; false'\n"                         \
    "git -C " where " config core.sshCommand 'touch $HOME/HACKED'\n"                               \
    "git -C " where " config filter.evil.smudge 'touch $HOME/HACKED; cat'\n"                       \
    "git -C " where " config url.file:///nowhere.insteadOf file://\n"                              \
    "git -C " where " config core.hooksPath \"$PWD/evil\"; mkdir -p evil\n"                        \
    "printf '#!/bin/sh\\ntouch $HOME/HACKED\\n' > evil/post-checkout; chmod +x evil/*\n"
#define EVIL_REPOSITORY                                                                            \
    "cp -a .git/modules/sub/mid $HOME/evil\n"                                                      \
    "set_evil() { git config -f $HOME/evil/config core.$1 \"$2\"; }\n"                             \
    "set_evil fsmonitor 'touch $HOME/HACKED; false'; set_evil worktree $PWD/sub/mid\n"
/* Where case does not count these are read as the others are. */
#define EVIL_IN_ANY_CASE                                                                           \
    "mkdir -p .git/modules/sub/mid/Hooks .git/modules/sub/mid/INFO\n"                              \
    "touch .git/modules/sub/mid/CONFIG .git/modules/sub/mid/INFO/Attributes\n"
#define RETRIED "WARNING: Updating submodules failed. Retrying..."
#define ANEW "What earlier jobs left of the submodules cannot be used: they are cloned anew"

/* All that leaves each repository where it is. */
#define EVIL_IN_PLACE                                                                              \
    EVIL_CONFIG("sub/mid")                                                                         \
    EVIL_CONFIG("sub/mid/deep/lib")                                                                \
    "for m in .git/modules/sub/mid .git/modules/sub/mid/modules/deep/lib; do\n"                    \
    "  mkdir -p $m/hooks $m/info; touch $m/{index,HEAD,config,shallow}.lock\n"                     \
    "  for h in post-checkout reference-transaction post-index-change; do\n"                       \
    "    printf '#!/bin/sh\\ntouch $HOME/HACKED\\n' > $m/hooks/$h; chmod +x $m/hooks/$h; done\n"   \
    "  printf '* filter=evil\\nFILE text eol=crlf\\n' > $m/info/attributes\n"                      \
    "done\n"

static const struct {
    const char *why, *damage, *said; /* NULL = it is not said how it is mended */
} rows[] = {
    { "configurations, hooks, locks and attributes", EVIL_IN_PLACE, "Updated submodules" },
    { "a configuration elsewhere, and files changed, added and hidden",
      EVIL_REPOSITORY "printf '.gitattributes\\nnew\\n' > .git/modules/sub/mid/info/exclude\n"
                      "printf 'FILE text eol=crlf\\n' > sub/mid/.gitattributes\n"
                      "touch sub/mid/new; rm sub/mid/deep/lib/FILE; echo y > sub/mid/deep/lib/new\n"
                      "echo x > sub/mid/KEEP; git -C sub/mid update-index --skip-worktree KEEP\n"
                      "echo $HOME/evil > .git/modules/sub/mid/commondir\n",
      "Updated submodules" },
    /* The first line alone leads to the right place. */
    { "a repository elsewhere, by a file with two lines",
      EVIL_REPOSITORY "there=$(printf '%s/.git/modules/sub/mid\\n' $PWD; echo x)\n"
                      "there=${there%x}; mkdir \"$there\"\n"
                      "to=\"$there/../../../../../../../../evil\"; [ -e \"$to/HEAD\" ]\n"
                      "printf 'gitdir: %s\\n' \"$to\" > sub/mid/.git; git -C sub/mid rev-parse\n",
      NULL },
    { "a repository in the place of the file",
      EVIL_REPOSITORY "rm sub/mid/.git; mv $HOME/evil sub/mid/.git\n", NULL },
    { "a repository elsewhere, of a submodule's submodule",
      EVIL_REPOSITORY "set_evil worktree $PWD/sub/mid/deep/lib\n"
                      "echo \"gitdir: $HOME/evil\" > sub/mid/deep/lib/.git\n",
      NULL },
    { "all repositories elsewhere",
      EVIL_CONFIG("sub/mid") "mv .git/modules $HOME/modules; ln -s $HOME/modules .git/modules\n",
      NULL },
    { "a repository behind a link",
      EVIL_CONFIG("sub/mid") "mv .git/modules/sub/mid $HOME/mid\n"
                             "ln -s $HOME/mid .git/modules/sub/mid\n",
      NULL },
    { "files and a link in the place of submodules",
      "rm -rf .git/modules sub/mid/.git sub/mid/deep; ln -s $HOME sub/mid/deep\n", ANEW },
    { "damaged objects",
      "find .git/modules -path '*objects*' -type f -exec chmod u+w '{}' + -exec cp /dev/null '{}' "
      "';'\n",
      ANEW },
};

static const char show[] =
    "cd " PROJECT "\n"
    "cat FILE sub/mid/FILE sub/mid/deep/lib/FILE sub/mid/KEEP\n"
    "ls -A . sub/mid sub/mid/deep/lib | tr '\\n' ' '; git status --porcelain --ignored\n"
    "git -C sub/mid status --porcelain; git submodule status --recursive | cut -c1\n"
    "git -C sub/mid config remote.origin.url | sed 's|.*/||'\n"
    "git -C sub/mid/deep/lib config include.path | sed 's|.*/||'\n"
    "find $HOME -name HACKED\n"
    "find .git/modules -name CONFIG -o -name Hooks -o -name Attributes\n";

static void assert_sources(const char *why, const char *home, const struct buf *said)
{
    static const char want[] =
        "two\ntwo\ntwo\nsame\n"
        ".: .git .gitmodules FILE KEEP sub  sub/mid: .git .gitmodules FILE KEEP deep  "
        "sub/mid/deep/lib: .git FILE KEEP  \n \nmid.git\n"
        ".gitlab-runner.ext.conf\n";
    autobuf struct buf out = BUF_INIT;

    must(home, show, &out);
    if (!str_eq(buf_str(&out), want))
        fail_msg("%s: not\n%s but\n%s\n%s", why, want, buf_str(&out), buf_str(said));
}

static void test_a_job_gets_its_submodules_whatever_the_last_one_left(void **state)
{
    const struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *home = mem_printf("%s/row%zu", world->dir, i);
        autofree char *damage =
            mem_printf("cp -a before row%zu\nexport HOME=$PWD/row%zu\ncd $HOME/" PROJECT "\n"
                       /* Links and worktrees name the place that they were made in. */
                       "grep -rlF %s/before .git sub --include=.git --include=config | "
                       "xargs -r sed -i 's|%s/before|%s|'\n" EVIL_IN_ANY_CASE "%s\n",
                       i, i, world->dir, world->dir, home, rows[i].damage);
        enum harness_shell shell = (enum harness_shell)(i % HARNESS_SHELLS);
        /* Where there is a shell of busybox, there is no other find. */
        autofree char *variables =
            mem_printf(RECURSIVE WITH("PATH", "%s/%s:/usr/local/bin:/usr/bin:/bin"), world->dir,
                       shell == HARNESS_BUSYBOX ? "busybox" : "none");
        autobuf struct buf said = BUF_INIT, out = BUF_INIT;

        must(world->dir, damage, &said);
        if (run_sources(world->dir, shell, home, world->second, "", variables, "{}", &out) != 0)
            fail_msg("%s: %s", rows[i].why, buf_str(&out));
        if (rows[i].said)
            assert_said(rows[i].why, &out, rows[i].said, true);
        if (rows[i].said && !str_eq(rows[i].said, ANEW)) {
            assert_said(rows[i].why, &out, RETRIED, false);
            assert_said(rows[i].why, &out, ANEW, false);
        }
        assert_sources(rows[i].why, home, &out);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_job_gets_its_submodules_whatever_the_last_one_left),
    };

    (void) umask(022);
    return cmocka_run_group_tests_name("job-submodules", tests, NULL, NULL);
}
