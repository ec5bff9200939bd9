/* core/cli/ask.c - asking the running manager (ask.h). */
#include "core/cli/ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "core/base/str.h"
#include "core/cli/control_client.h"

#define LINE_MAX_BYTES 1024

static int take_words(int argc, char **argv, const struct ask_usage *usage, struct ask_options *ret)
{
    if (optind < argc && usage->takes_word)
        ret->word = argv[optind++];
    if (optind < argc)
        return cli_misuse(argv[0], "there is no argument '%s'", argv[optind]);
    if (usage->missing && str_empty(ret->word))
        return cli_misuse(argv[0], "%s", usage->missing);
    return 0;
}

int ask_parse(int argc, char **argv, const struct ask_usage *usage, struct ask_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { "force", no_argument, NULL, 'f' },
        { "dry-run", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
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
            (void) fputs(usage->text, stdout);
            return 1;
        case 'f':
            ret->force = true;
            break;
        case 'n':
            ret->dry_run = true;
            break;
        default:
            return cli_wrong_option(argv[0], c, argv);
        }
    }
    if (ret->force && !usage->takes_force)
        return cli_misuse(argv[0], "there is no option --force");
    if (ret->dry_run && !usage->takes_dry_run)
        return cli_misuse(argv[0], "there is no option --dry-run");
    return take_words(argc, argv, usage, ret);
}

int ask_manager(const struct ask_options *options, json_t *request, int timeout_ms, json_t **ret)
{
    struct error err = { 0 };
    autofree char *dir = control_state_dir(options->state_dir, options->config, &err);
    autobuf struct buf shown = BUF_INIT;

    if (dir && !request)
        (void) error_set(&err, -ENOMEM, "out of memory");
    else if (dir && control_ask(dir, request, timeout_ms, ret, &err) == 0)
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
