/* core/cli/doctor.c - `flotilla doctor`: what can be known before a job comes, a line for each finding with what to do
 * about it. It changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/harden.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/control_client.h"
#include "core/cli/doctor.h"

#define LINE_MAX_BYTES 2000

static const char *const level_names[] = { "OK", "WARN", "FAIL" };

static void keep(struct doctor *doctor, enum doctor_level level, const char *subject,
                 const char *sentence, const char *fix)
{
    json_t *item = json_object_new_object();

    if (!item)
        return;
    (void) json_add_str(item, "level", level_names[level]);
    (void) json_add_str(item, "subject", subject);
    (void) json_add_str(item, "sentence", sentence);
    (void) json_add_str(item, "fix", fix);
    (void) json_object_array_add(doctor->findings, item);
}

void doctor_say(struct doctor *doctor, enum doctor_level level, const char *subject,
                const char *fix, const char *fmt, ...)
{
    autobuf struct buf sentence = BUF_INIT, line = BUF_INIT, shown = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&sentence, fmt, args);
    va_end(args);
    doctor->worst = MAX(doctor->worst, level);
    if (doctor->json) {
        keep(doctor, level, subject, buf_str(&sentence), fix);
        return;
    }
    buf_addf(&line, "%-4s  %s: %s%s%s", level_names[level], subject, buf_str(&sentence),
             fix ? "; " : "", fix ? fix : "");
    str_display(&shown, buf_str(&line), line.len, LINE_MAX_BYTES);
    (void) printf("%s\n", buf_str(&shown));
    (void) fflush(stdout);
}

static void usage(void)
{
    (void) printf(
        "Usage: flotilla doctor [--config FILE] [--state-dir DIR] [--plugin-dir DIR[:DIR]] "
        "[--json]\n"
        "Looks at the configuration, this machine, each GitLab and each group of instances,\n"
        "changes nothing, and says what is wrong and what to do about it. Ends with 1 when\n"
        "something fails. A group is asked what `flotilla plugin try` asks before it orders an\n"
        "instance.\n"
        "\n"
        "  --config FILE     %s unless named\n"
        "  --state-dir DIR   of the manager; else state_dir of the configuration\n"
        "  --plugin-dir DIR  where plugins are looked for first, as for run\n"
        "  --json            one JSON document\n",
        cli_default_config());
}

static int parse(int argc, char **argv, struct doctor *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "plugin-dir", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config_file = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'p':
            ret->plugin_dirs = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            usage();
            return 1;
        default:
            return cli_wrong_option("doctor", c, argv);
        }
    }
    return optind < argc ? cli_misuse("doctor", "there is no argument '%s'", argv[optind]) : 0;
}

/* Without a configuration that can be used there is nothing else to look at but this machine. */
static struct config *read_config(struct doctor *doctor)
{
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    struct error err = { 0 };
    const char *file = doctor->config_file ? doctor->config_file : cli_default_config();
    int r = config_load(file, NULL, &config, &findings, &err);

    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].severity >= CONFIG_WARNING)
            doctor_say(doctor,
                       findings.items[i].severity == CONFIG_ERROR ? DOCTOR_FAIL : DOCTOR_WARN,
                       "configuration", NULL, "%s:%d: %s", file, findings.items[i].line,
                       findings.items[i].sentence);
    if (r < 0 && findings.count == 0)
        doctor_say(doctor, DOCTOR_FAIL, "configuration", "--config FILE names another one", "%s",
                   err.message);
    else if (r == 0)
        doctor_say(doctor, DOCTOR_OK, "configuration", NULL, "%s can be used", file);
    config_findings_done(&findings);
    return config;
}

static void look(struct doctor *doctor)
{
    auto_ptr(config_free) struct config *config = read_config(doctor);
    struct error err = { 0 };
    autofree char *dir = control_state_dir(doctor->state_dir, doctor->config_file, &err);

    doctor->config = config;
    doctor->state_dir = dir;
    doctor_look_at_machine(doctor);
    if (config) {
        doctor_look_at_gitlab(doctor);
        doctor_look_at_groups(doctor);
    }
}

int cli_doctor(int argc, char **argv)
{
    struct doctor doctor = { 0 };
    autojson json_t *document = json_object_new_object();
    int r = parse(argc, argv, &doctor);

    if (r != 0)
        return r > 0 ? 0 : 2;
    /* What others log while they are asked comes back as what they answer. */
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    doctor.findings = json_object_new_array();
    if (!document || !doctor.findings || harden_process() < 0)
        return 1;
    (void) json_add(document, "findings", doctor.findings);
    look(&doctor);
    if (doctor.json)
        (void) printf("%s\n", json_text(document));
    return doctor.worst == DOCTOR_FAIL ? 1 : 0;
}
