/* core/cli/as_runner.c - see as_runner.h. */
#include "core/cli/as_runner.h"

#include <stdio.h>
#include <string.h>

#include "core/base/host.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/cli.h"

#define NAME "gitlab-runner"

struct known {
    const char *name;
    bool value; /* one follows */
};

static const struct known before_command[] = {
    { "--log-level", true }, { "-l", true }, { "--log-format", true }, { "--debug", false }
};

/* Of `run`. */
static const struct known left_out[] = { { "--working-directory", true },
                                         { "-d", true },
                                         { "--service", true },
                                         { "-n", true },
                                         { "--user", true },
                                         { "-u", true },
                                         { "--syslog", false } };

bool as_runner_is_called(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

    return str_eq(slash ? slash + 1 : argv0, NAME);
}

/* How many words such an option takes; 0 = it is none of these. */
static int words_of(const struct known *table, size_t n, char *const *argv, int left)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(table[i].name);

        if (!str_starts(argv[0], table[i].name))
            continue;
        if (argv[0][len] == '=')
            return 1;
        if (argv[0][len] == '\0')
            return table[i].value && left > 1 ? 2 : 1;
    }
    return 0;
}

/* Scripts read the word behind "Version:". */
static void print_version(void)
{
    (void) printf("Version:      %s\n"
                  "Git revision: flotilla\n"
                  "Git branch:   flotilla\n"
                  "GO version:   none\n"
                  "Built:        none\n"
                  "OS/Arch:      linux/%s\n",
                  FLOTILLA_VERSION, host_architecture());
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(word, words[i]))
            return true;
    return false;
}

static bool answer_other(const char *command, int *ret_status)
{
    static const char *const services[] = { "install", "uninstall", "start",
                                            "stop",    "restart",   "status" };
    static const char *const helpers[] = { "artifacts-uploader", "artifacts-downloader",
                                           "cache-archiver",     "cache-extractor",
                                           "cache-init",         "health-check",
                                           "proxy-exec",         "read-logs" };

    *ret_status = 1;
    if (is_one_of(command, services, ARRAY_LEN(services)))
        cli_say(NAME " %s: flotilla is a service of systemd; use `systemctl %s flotilla`", command,
                str_eq(command, "install")     ? "enable --now"
                : str_eq(command, "uninstall") ? "disable --now"
                                               : command);
    else if (is_one_of(command, helpers, ARRAY_LEN(helpers)))
        cli_say(NAME " %s: flotilla-helper does that; let " NAME " be a link to it on instances",
                command);
    else
        return false;
    return true;
}

static char *in_our_words(char *word)
{
    static char log_level[] = "--log-level", debug[] = "--log-level=debug";

    return str_eq(word, "-l") ? log_level : str_eq(word, "--debug") ? debug : word;
}

/* The program, the command with what follows it, and then what stood before it. */
static void reorder(int before, int *argc, char ***argv)
{
    static char **words; /* as long as the process lives */
    char **from = *argv;
    bool is_run = before < *argc && str_eq(from[before], "run");
    int n = 0;

    words = mem_array((size_t) *argc + 1, sizeof(*words));
    if (!words)
        return;
    words[n++] = from[0];
    for (int i = before; i < *argc;) {
        int skipped = is_run ? words_of(left_out, ARRAY_LEN(left_out), &from[i], *argc - i) : 0;

        if (skipped == 0)
            words[n++] = in_our_words(from[i]);
        i += MAX(skipped, 1);
    }
    for (int i = 1; i < before && before < *argc; i++)
        words[n++] = in_our_words(from[i]);
    *argc = n;
    *argv = words;
}

bool as_runner_prepare(int *argc, char ***argv, int *ret_status)
{
    char **words = *argv;
    int before = 1, n;

    while (before < *argc && (n = words_of(before_command, ARRAY_LEN(before_command),
                                           &words[before], *argc - before)) > 0)
        before += n;
    if (before < *argc && (str_eq(words[before], "--version") || str_eq(words[before], "-v"))) {
        print_version();
        *ret_status = 0;
        return true;
    }
    if (before < *argc && answer_other(words[before], ret_status))
        return true;
    reorder(before, argc, argv);
    return false;
}
