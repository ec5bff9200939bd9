/* tests/unit/job/shell/test_bash.c - mirrors core/job/shell/bash.c: what the scripts do, in each of
 * the shells that have to read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "core/base/str.h"
#include "core/job/shell/bash.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"

/* An instance's directory, and a stage's output in it. */
struct place {
    char *dir, *tmp_dir;
    struct buf body, out, errors;
    int status;
};

static int setup(void **state)
{
    struct place *place = test_calloc(1, sizeof(*place));

    place->dir = harness_temp_dir();
    place->tmp_dir = harness_path(place->dir, "builds/p.tmp");
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    harness_remove_dir(place->dir);
    free(place->tmp_dir);
    buf_done(&place->body);
    buf_done(&place->out);
    buf_done(&place->errors);
    test_free(place);
    return 0;
}

static void run(struct place *place, enum harness_shell shell)
{
    autobuf struct buf script = BUF_INIT;

    buf_clear(&place->out);
    buf_clear(&place->errors);
    shell_sh.wrap(&shell_sh, &script, place->tmp_dir, buf_str(&place->body));
    assert_int_equal(buf_error(&script), 0);
    place->status = harness_run_shell(shell, place->dir, &script, &place->out, &place->errors);
}

/* Runs the body in every shell; each must end with 0 and print this. */
static void assert_prints(struct place *place, const char *want)
{
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        run(place, shell);
        if (place->status != 0 || !str_eq(buf_str(&place->out), want))
            fail_msg("%s: status %d, printed \"%s\", not \"%s\"; %s", harness_shell_names[shell],
                     place->status, buf_str(&place->out), want, buf_str(&place->errors));
    }
}

/* The peer's table is of bash; where another shell has no such rule, its own. */
static void test_job_execution_10_4_exit_codes(void **state)
{
    static const struct {
        const char *command;
        int status, dash_status;
        bool goes_on, dash_goes_on;
    } cases[] = {
        { "true", 0, 0, true, true },
        { "exit 0", 0, 0, false, false },
        { "exit 3", 3, 3, false, false },
        { "exit 256", 0, 0, false, false },
        { "false", 1, 1, false, false },
        { "false || true", 0, 0, true, true },
        { "false | true", 1, 0, false, true }, /* dash has no pipefail */
        { "x=$(false)", 1, 1, false, false },
        { "nosuchcmd", 127, 127, false, false },
        { "sh -c 'kill -9 $$'", 137, 137, false, false },
        { "sh -c 'kill $$'", 143, 143, false, false },
        { "kill -TERM $$", 1, 1, true, true },
        { "kill -TERM $(exec sh -c 'echo $PPID')", 1, 1, false, false },
        { "read x", 1, 1, false, false },
        { "cat", 0, 0, true, true },
    };
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
            bool dash = shell == HARNESS_DASH;

            buf_clear(&place->body);
            buf_addf(&place->body, "%s\nprintf on\n", cases[i].command);
            run(place, shell);
            if (place->status != (dash ? cases[i].dash_status : cases[i].status) ||
                (place->out.len > 0) != (dash ? cases[i].dash_goes_on : cases[i].goes_on))
                fail_msg("%s: %s: status %d, printed '%s'", harness_shell_names[shell],
                         cases[i].command, place->status, buf_str(&place->out));
        }
}

/* The row of 10.4 whose orphan goes on as it likes. */
static void test_job_execution_10_4_a_killed_shell(void **state)
{
    struct place *place = *state;

    buf_add_str(&place->body, "kill -9 $$\n");
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        run(place, shell);
        assert_int_equal(place->status, 137);
    }
}

/* FF_ENABLE_BASH_EXIT_CODE_CHECK: whatever the job did to errexit. */
static void test_the_status_is_checked_behind_each_command(void **state)
{
    const struct script_commands checked = { .check_status = true };
    struct place *place = *state;

    shell_user_command(&shell_sh, &place->body, "set +e", checked, 0);
    shell_user_command(&shell_sh, &place->body, "cat <<E\nit's $((1 + 1))\nE", checked, 1);
    shell_user_command(&shell_sh, &place->body, "(exit 5)", checked, 2);
    shell_user_command(&shell_sh, &place->body, "echo never", checked, 3);
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        run(place, shell);
        assert_int_equal(place->status, 5);
        assert_non_null(strstr(buf_str(&place->out), "\nit's 2\n"));
        assert_null(strstr(buf_str(&place->out), "never"));
    }
}

/* Job control gives each command a group of its own; what a stage starts is stopped all the same. Who
 * makes a session of his own leaves, and does not look after what he left behind: a dead process that
 * nobody takes away. The stage is started as sshd does, in a session of its own. */
static void test_a_stopped_stage_leaves_no_process_of_its_session(void **state)
{
    static const char stage[] =
        "trap '' TERM\n"
        "sh -c 'sleep 1000 & exec setsid sh -c \"echo \\$\\$ > left; exec sleep 1000\"' &\n"
        "until [ -s left ]; do sleep 0.05; done\n"
        "set -m\n"
        "sleep 1000 & echo $! >> pids\n"
        "sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & echo $! >> pids\n"
        "sh -c 'echo $PPID' >> pids; echo > ready\nwait\n";
    static const char check[] =
        "for pid in $(cat pids); do\n"
        "  state=$(sed 's/.*) //; s/ .*//' /proc/$pid/stat 2> /dev/null) || continue\n"
        "  [ \"$state\" = Z ] || [ -z \"$state\" ] || echo \"$pid is $state\"\ndone\n"
        "kill -KILL $(cat left) && echo left\nrm pids left ready\n";
    struct place *place = *state;

    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        autobuf struct buf script = BUF_INIT, kill = BUF_INIT, driver = BUF_INIT;

        buf_clear(&place->out);
        shell_sh.wrap(&shell_sh, &script, place->tmp_dir, stage);
        script_kill(&kill, place->tmp_dir);
        buf_addf(&driver, "setsid %s <<'STAGE' > /dev/null 2>&1 &\n%s\nSTAGE\n",
                 harness_shell_names[shell], buf_str(&script));
        buf_addf(&driver, "while ! [ -e ready ]; do sleep 0.05; done\n(\n%s)\necho stopped $?\n%s",
                 buf_str(&kill), check);
        (void) harness_run_shell(shell, place->dir, &driver, &place->out, &place->errors);
        if (!str_eq(buf_str(&place->out), "stopped 0\nleft\n"))
            fail_msg("%s: %s%s", harness_shell_names[shell], buf_str(&place->out),
                     buf_str(&place->errors));
    }
}

/* hardening.md Q7: nobody else may look, but what the job makes is made as the instance says. */
static void test_private_directory_in_a_public_one(void **state)
{
    struct place *place = *state;

    shell_sh.file_variable(&place->body, place->tmp_dir, "CONF", "it's\n\n");
    shell_sh.load_env(&place->body, place->tmp_dir);
    buf_add_str(&place->body, "cd /\n"
                              "stat -c %a \"${CONF%/*}\" \"$CONF\" \"$GITLAB_ENV\"\n"
                              "stat -c %a \"${CONF%/*}/stage.pid\" \"${CONF%/*/*}\"\n"
                              "umask 22; cat \"$CONF\"; printf '|'\n");
    assert_prints(place, "700\n600\n600\n600\n755\nit's\n\n|");
}

/* A link would be followed, and a pipe waited for. */
static void test_what_an_earlier_job_left_in_the_place_of_ours_goes(void **state)
{
    static const char *const left[] = {
        "ln -s ../elsewhere builds/p.tmp",
        "mkfifo builds/p.tmp",
        "echo > builds/p.tmp",
        "mkdir builds/p.tmp; ln -s ../../victim builds/p.tmp/stage.pid",
        "mkdir builds/p.tmp; ln victim builds/p.tmp/stage.pid",
        "mkdir builds/p.tmp; mkfifo builds/p.tmp/stage.pid",
        "mkdir -p builds/p.tmp/stage.pid/deeper",
    };
    struct place *place = *state;

    buf_add_str(&place->body, "cd builds; stat -c '%F' p.tmp p.tmp/stage.pid\n"
                              "cat ../victim; ls ../elsewhere\n");
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
            autobuf struct buf earlier = BUF_INIT;

            buf_addf(&earlier,
                     "rm -rf builds victim elsewhere; mkdir builds elsewhere; echo safe > victim\n"
                     "%s\n",
                     left[i]);
            assert_int_equal(
                harness_run_shell(HARNESS_DASH, place->dir, &earlier, &place->out, &place->errors),
                0);
            run(place, shell);
            if (!str_eq(buf_str(&place->out), "directory\nregular file\nsafe\n"))
                fail_msg("%s: %s: %s%s", harness_shell_names[shell], left[i], buf_str(&place->out),
                         buf_str(&place->errors));
        }
}

static void test_job_keeps_the_umask_of_the_instance(void **state)
{
    struct place *place = *state;

    shell_sh.file_variable(&place->body, place->tmp_dir, "CONF", "x");
    buf_add_str(&place->body, "umask\n");
    assert_prints(place, "0022\n");
}

static void test_variables_go_from_stage_to_stage(void **state)
{
    struct place *place = *state;

    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        buf_clear(&place->body);
        shell_sh.load_env(&place->body, place->tmp_dir);
        buf_add_str(&place->body, "cd /\nprintf '%s\\n' 'X= a=b $HOME \\ ' > \"$GITLAB_ENV\"\n");
        run(place, shell);
        assert_int_equal(place->status, 0);
        buf_clear(&place->body);
        script_export(&place->body, "line", "a variable of the job");
        shell_sh.load_env(&place->body, place->tmp_dir);
        buf_add_str(&place->body, "printf '%s|' \"$X\" \"$line\"\n");
        run(place, shell);
        assert_string_equal(buf_str(&place->out), " a=b $HOME \\|a variable of the job|");
    }
}

/* xtrace prints a quoted value in a form that no mask knows. */
static void test_trace_does_not_show_the_exports(void **state)
{
    struct place *place = *state;

    script_export(&place->body, "SECRET", "hunter'secret99");
    shell_sh.file_variable(&place->body, place->tmp_dir, "FILE", "hunter'secret99");
    shell_sh.load_env(&place->body, place->tmp_dir);
    shell_sh.trace(&place->body);
    buf_add_str(&place->body, "printf 'shown\\n'\n");
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        run(place, shell);
        assert_int_equal(place->status, 0);
        assert_non_null(strstr(buf_str(&place->errors), "printf"));
        assert_null(strstr(buf_str(&place->errors), "hunter"));
        assert_null(strstr(buf_str(&place->errors), "secret99"));
    }
}

/* Absent in our own steps, present in the job's script. */
static void test_hardening_11_hostile_variables_are_not_in_our_own_steps(void **state)
{
    static const char *const names[] = {
        "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "BASH_ENV", "LD_PRELOAD",     "LD_WHATEVER",
        "GIT_SSH_COMMAND",  "GIT_TRACE_CURL",   "git_dir",  "Git_Ssh_Variant"
    };
    static const char show[] = "(export -p | grep -c 'LD_PRELOAD\\|LD_WHATEVER\\|"
                               "GIT_\\|git_\\|Git_\\|BASH_ENV' || :)\n";
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        /* Empty: a preload that is not there would be one more line on stderr for each command. */
        script_export(&place->body, names[i], "");
        assert_true(script_name_is_hostile(names[i]));
    }
    shell_sh.own_begin(&place->body);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        shell_sh.unset(&place->body, names[i]);
    buf_add_str(&place->body, show);
    shell_sh.own_end(&place->body);
    buf_add_str(&place->body, show);
    assert_prints(place, "0\n9\n");
    assert_false(script_name_is_hostile("GIT_STRATEGY"));
    assert_false(script_name_is_hostile("LD"));
    assert_false(script_name_is_hostile("env"));
    assert_false(script_name_is_hostile("ENVIRONMENT"));
}

/* Which no job variable of that name tells of. */
static void test_hostile_variables_of_the_env_file_are_not_in_our_own_steps(void **state)
{
    struct place *place = *state;

    shell_sh.load_env(&place->body, place->tmp_dir);
    buf_add_str(&place->body, "printf '%s=x\\n' BASH_ENV GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS "
                              "GIT_SSH_COMMAND > \"$GITLAB_ENV\"\n");
    assert_prints(place, "");
    buf_clear(&place->body);
    shell_sh.load_env(&place->body, place->tmp_dir);
    shell_sh.own_begin(&place->body);
    buf_add_str(&place->body, "export -p | grep 'BASH_ENV\\|GIT_' || printf 'none\\n'\n");
    shell_sh.own_end(&place->body);
    assert_prints(place, "none\n");
}

static void test_unset_variable_ends_our_own_steps_alone(void **state)
{
    struct place *place = *state;

    buf_add_str(&place->body, "printf '%s.' \"$nothing\"\n");
    assert_prints(place, ".");
    buf_clear(&place->body);
    shell_sh.own_begin(&place->body);
    buf_add_str(&place->body, "printf '%s' \"$nothing\"\n");
    shell_sh.own_end(&place->body);
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        run(place, shell);
        assert_int_not_equal(place->status, 0);
    }
}

/* job-execution.md 2.5. */
static void test_job_execution_10_5_1_2_and_4_echo_of_commands(void **state)
{
    static const struct {
        const char *command, *want;
    } cases[] = {
        { " echo hi\n", "\033[32;1m$ echo hi\033[0;m\nhi\n" },
        { "echo a\necho b", "\033[32;1m$ echo a # collapsed multi-line command\033[0;m\na\nb\n" },
        { "   ", "\n" },
        { "printf '%s\\n' -n '$X'", "\033[32;1m$ printf '%s\\n' -n '$X'\033[0;m\n-n\n$X\n" },
    };
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&place->body);
        shell_user_command(&shell_sh, &place->body, cases[i].command,
                           (struct script_commands) { 0 }, 0);
        assert_prints(place, cases[i].want);
    }
}

/* The times are the instance's. */
static void test_job_execution_10_5_3_echo_of_many_lines_in_a_section(void **state)
{
    static const char end[] = ":section_script_step_7\r\033[0K\na\n100% 'b' $X \\n\n";
    static const char begin[] = ":section_script_step_7[hide_duration=true,collapsed=true]\r\033[0K"
                                "\033[32;1m$ echo a\nprintf '%s\\n' '100% '\\''b'\\'' $X "
                                "\\n'\033[0;m\nsection_end:";
    const struct script_commands in_sections = { .sections = "script_step" };
    struct place *place = *state;

    shell_user_command(&shell_sh, &place->body,
                       "\necho a\nprintf '%s\\n' '100% '\\''b'\\'' $X \\n'\n", in_sections, 7);
    shell_user_command(&shell_sh, &place->body, "printf one", in_sections, 8);
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        const char *out;

        run(place, shell);
        out = buf_str(&place->out);
        if (place->status != 0 || !str_starts(out, "section_start:1") || !strstr(out, begin) ||
            !strstr(out, end) || !str_ends(out, "\n\033[32;1m$ printf one\033[0;m\none"))
            fail_msg("%s: %s%s", harness_shell_names[shell], out, buf_str(&place->errors));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_job_execution_10_4_exit_codes),
        TEST(test_job_execution_10_4_a_killed_shell),
        TEST(test_the_status_is_checked_behind_each_command),
        TEST(test_a_stopped_stage_leaves_no_process_of_its_session),
        TEST(test_private_directory_in_a_public_one),
        TEST(test_what_an_earlier_job_left_in_the_place_of_ours_goes),
        TEST(test_job_keeps_the_umask_of_the_instance),
        TEST(test_variables_go_from_stage_to_stage),
        TEST(test_trace_does_not_show_the_exports),
        TEST(test_hardening_11_hostile_variables_are_not_in_our_own_steps),
        TEST(test_hostile_variables_of_the_env_file_are_not_in_our_own_steps),
        TEST(test_unset_variable_ends_our_own_steps_alone),
        TEST(test_job_execution_10_5_1_2_and_4_echo_of_commands),
        TEST(test_job_execution_10_5_3_echo_of_many_lines_in_a_section),
    };

    (void) umask(022);
    return cmocka_run_group_tests_name("job-shell-bash", tests, NULL, NULL);
}
