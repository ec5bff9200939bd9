/* core/cli/ask.c - asking the running manager (ask.h). */
#include "core/cli/ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "core/base/str.h"
#include "core/cli/control_client.h"

#define LINE_MAX_BYTES 1024
#define FOR_MIN_MS 60000
#define FOR_MAX_MS (7 * 24 * 3600 * 1000LL)

static int take_words(int argc, char **argv, const struct ask_usage *usage, struct ask_options *ret)
{
    if (optind < argc && usage->takes_word)
        ret->word = argv[optind++];
    if (optind < argc && usage->takes_command) {
        ret->command = argv + optind;
        return 0;
    }
    if (optind < argc)
        return cli_misuse(argv[0], "there is no argument '%s'", argv[optind]);
    if (usage->missing && str_empty(ret->word))
        return cli_misuse(argv[0], "%s", usage->missing);
    return 0;
}

/* Those that some commands have alone. */
static int take_own_option(int c, struct ask_options *ret)
{
    switch (c) {
    case 'f':
        ret->follow = true;
        return 0;
    case 'x':
        ret->force = true;
        return 0;
    case 'n':
        ret->dry_run = true;
        return 0;
    case 'r':
        ret->raw = true;
        return 0;
    case 't':
        ret->time = optarg;
        return 0;
    default:
        return -EINVAL;
    }
}

static int check_options(const char *command, const struct ask_usage *usage,
                         const struct ask_options *options)
{
    const struct {
        const char *name;
        bool given, taken;
    } rows[] = {
        { "json", options->json, !usage->no_json },
        { "force", options->force, usage->takes_force },
        { "dry-run", options->dry_run, usage->takes_dry_run },
        { "follow", options->follow, usage->takes_follow },
        { "raw", options->raw, usage->takes_raw },
        { "for", options->time, usage->takes_for },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].given && !rows[i].taken)
            return cli_misuse(command, "there is no option --%s", rows[i].name);
    return 0;
}

static void print_help(const struct ask_usage *usage)
{
    (void) printf("%s\n%s"
                  "  --config FILE    where state_dir of the manager is looked up; %s\n"
                  "                   unless named\n"
                  "  --state-dir DIR  of the manager, in place of that\n",
                  usage->text, usage->no_json ? "" : "  --json           one JSON document\n",
                  cli_default_config());
}

int ask_parse(int argc, char **argv, const struct ask_usage *usage, struct ask_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "state-dir", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },         { "help", no_argument, NULL, 'h' },
        { "force", no_argument, NULL, 'x' },        { "dry-run", no_argument, NULL, 'n' },
        { "follow", no_argument, NULL, 'f' },       { "raw", no_argument, NULL, 'r' },
        { "for", required_argument, NULL, 't' },    { NULL, 0, NULL, 0 },
    };
    const char *letters = usage->takes_follow ? ":c:hf" : ":c:h";
    int c;

    while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            print_help(usage);
            return 1;
        default:
            if (take_own_option(c, ret) < 0)
                return cli_wrong_option(argv[0], c, argv);
        }
    }
    if (check_options(argv[0], usage, ret) < 0)
        return -EINVAL;
    return take_words(argc, argv, usage, ret);
}

int ask_manager(const struct ask_options *options, json_t *request, int timeout_ms, json_t **ret)
{
    struct error err = { 0 };
    autofree char *dir = control_state_dir(options->state_dir, options->config, &err);
    autobuf struct buf shown = BUF_INIT;

    if (dir && !request)
        (void) error_set(&err, -ENOMEM, "out of memory");
    else if (dir && control_ask(dir, request, timeout_ms, ret, NULL, &err) == 0)
        return 0;
    str_display(&shown, err.message, strlen(err.message), LINE_MAX_BYTES);
    (void) fprintf(stderr, "flotilla: %s\n", buf_str(&shown));
    return -1;
}

const char *ask_text(json_t *obj, const char *key)
{
    const char *text = "";

    (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

int64_t ask_number(json_t *obj, const char *key)
{
    int64_t number = 0;

    (void) json_opt_i64(obj, key, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

bool ask_bool(json_t *obj, const char *key)
{
    bool value = false;

    (void) json_opt_bool(obj, key, &value, NULL);
    return value;
}

json_t *ask_list(json_t *obj, const char *key, size_t *ret_n)
{
    json_t *list = NULL;

    (void) json_opt_array(obj, key, &list, NULL);
    *ret_n = list ? json_object_array_length(list) : 0;
    return list;
}

void ask_add_time(struct buf *out, int64_t ms)
{
    format_duration(out, MAX(ms, (int64_t) 0) / 1000 * 1000);
}

void ask_add_drained(struct buf *out, int64_t since_ms, int64_t now_ms)
{
    time_t since = time(NULL) - (time_t) (MAX(now_ms - since_ms, (int64_t) 0) / 1000);
    struct tm when;
    char text[32] = "";

    if (localtime_r(&since, &when))
        (void) strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &when);
    buf_addf(out, "drained since %s (", text);
    ask_add_time(out, now_ms - since_ms);
    buf_add_char(out, ')');
}

void ask_print_json(json_t *answer)
{
    (void) printf("%s\n", json_text(answer));
}

void ask_print_line(const char *line)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, line, strlen(line), LINE_MAX_BYTES);
    (void) printf("%s\n", buf_str(&shown));
}

static int add_time(const char *command, const struct ask_options *options, json_t *request)
{
    int64_t for_ms = 0;

    if (!options->time)
        return 0;
    if (parse_duration_ms(options->time, &for_ms) < 0 || for_ms < FOR_MIN_MS || for_ms > FOR_MAX_MS)
        return cli_misuse(command, "--for '%s' is no duration from 1m to 168h, such as 2h",
                          options->time);
    (void) json_add_i64(request, "for_ms", for_ms);
    return 0;
}

int ask_change(int argc, char **argv, const struct ask_usage *usage)
{
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame(argv[0]), *answer = NULL;
    int r = ask_parse(argc, argv, usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (add_time(argv[0], &options, request) < 0)
        return 2;
    (void) json_add_str(request, "name", options.word);
    if (options.force)
        (void) json_add_bool(request, "force", true);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &answer) < 0)
        return 1;
    if (options.json)
        ask_print_json(answer);
    else
        ask_print_line(ask_text(answer, "sentence"));
    return 0;
}
