/* core/cli/exec.c - `flotilla exec`: the options; core/exec does the rest. */
#include "core/exec/exec.h"

#include <getopt.h>
#include <stdio.h>

#include "core/base/harden.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/exec/vm_image.h"

static void usage(void)
{
    (void) printf(
        "Usage: flotilla exec [--file FILE] [--config FILE] [--state-dir DIR]\n"
        "                     [--plugin-dir DIR[:DIR]] [--report OUT.html]\n"
        "                     [--artifacts DIR] [--cache DIR] [--verbose]\n"
        "                     [--isolate vm [--vm-image IMAGE] [--vm-user NAME]\n"
        "                     [--vm-key FILE] [--vm-config FILE]] [JOB...]\n"
        "Runs the pipeline of .gitlab-ci.yml, or only the named jobs, on instances of this "
        "machine.\n"
        "Jobs see HEAD and the uncommitted changes of tracked files. A manual job runs\n"
        "only when it is named.\n"
        "\n"
        "  --file FILE       another file than .gitlab-ci.yml, here or at the repository's top\n"
        "  --config FILE     a config.toml; its runners take the jobs, from here instead of "
        "GitLab.\n"
        "                    Their instances are removed at the end: name a group of its own\n"
        "  --state-dir DIR   keep the manager's state there instead of in a temporary directory\n"
        "  --plugin-dir DIR  where plugins are looked for first; then in FLOTILLA_PLUGIN_PATH,\n"
        "                    the installed folder and PATH\n"
        "  --report FILE     at the end, write a page of HTML: jobs and instances over time\n"
        "  --artifacts DIR   keep there what jobs upload, instead of dropping it at the end\n"
        "  --cache DIR       keep the caches of jobs there for the next run; not with --config,\n"
        "                    where cache_dir says so\n"
        "  --isolate vm      a VM of its own for each job, by flotilla-nesting and QEMU; see\n"
        "                    docs/linux-vms.md\n"
        "  --vm-image IMAGE  a path to IMAGE.json or IMAGE.qcow2 instead of to guest in\n"
        "                    ~/.local/share/flotilla/images\n"
        "  --vm-user NAME    who logs in to VMs (default: ci)\n"
        "  --vm-key FILE     with this private key instead of the file `key` beside the image\n"
        "  --vm-config FILE  settings of flotilla-nesting, such as memory and cpus of a VM\n"
        "  --verbose         also what the manager notes\n"
        "\n"
        "On a terminal the run is shown as a board, else (and where TERM is dumb) as lines.\n"
        "Ctrl-C ends the jobs and removes the instances, a second one kills them at once.\n"
        "Exit status: 0 when the pipeline passed, 1 when it failed or could not run,\n"
        "2 for a wrong command line, 130 when it was interrupted.\n");
}

/* `vms` becomes part of *ret when they are asked for. */
static int set_isolation(const char *kind, struct vm_options *vms, struct exec_options *ret)
{
    if (!str_eq(kind, "vm"))
        return cli_misuse("exec", "--isolate must be vm, not '%s'", kind);
    ret->vms = vms;
    return 0;
}

static const char **vm_option(struct vm_options *vms, int c)
{
    switch (c) {
    case 'I':
        return &vms->image;
    case 'U':
        return &vms->user;
    case 'K':
        return &vms->key;
    default:
        return &vms->settings;
    }
}

/* An option of VMs says nothing without them. */
static int check_isolation(const struct vm_options *vms, const struct exec_options *options)
{
    if (options->vms || !(vms->image || vms->user || vms->key || vms->settings))
        return 0;
    return cli_misuse("exec", "options with --vm- go with --isolate vm");
}

/* 0 to go on; 1 when all is said; negative for a wrong use. */
static int parse_options(int argc, char **argv, struct exec_options *ret, struct vm_options *vms,
                         enum log_level *level)
{
    static const struct option options[] = {
        { "file", required_argument, NULL, 'f' },
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "plugin-dir", required_argument, NULL, 'p' },
        { "report", required_argument, NULL, 'r' },
        { "artifacts", required_argument, NULL, 'a' },
        { "cache", required_argument, NULL, 'k' },
        { "isolate", required_argument, NULL, 'i' },
        { "vm-image", required_argument, NULL, 'I' },
        { "vm-user", required_argument, NULL, 'U' },
        { "vm-key", required_argument, NULL, 'K' },
        { "vm-config", required_argument, NULL, 'C' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":f:c:vh", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            ret->file = optarg;
            break;
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'p':
            ret->plugin_dirs = optarg;
            break;
        case 'r':
            ret->report = optarg;
            break;
        case 'a':
            ret->artifacts = optarg;
            break;
        case 'k':
            ret->cache = optarg;
            break;
        case 'i':
            if (set_isolation(optarg, vms, ret) < 0)
                return -1;
            break;
        case 'I':
        case 'U':
        case 'K':
        case 'C':
            *vm_option(vms, c) = optarg;
            break;
        case 'v':
            *level = LOG_LEVEL_INFO;
            break;
        case 'h':
            usage();
            return 1;
        default:
            return cli_wrong_option("exec", c, argv);
        }
    }
    ret->names = (const char *const *) argv + optind;
    ret->n_names = (size_t) (argc - optind);
    return check_isolation(vms, ret);
}

int cli_exec(int argc, char **argv)
{
    struct exec_options options = { .self_exe = cli_self_exe() };
    struct vm_options vms = { 0 };
    enum log_level level = LOG_LEVEL_WARNING;
    int r = parse_options(argc, argv, &options, &vms, &level);
    int status;

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (harden_process() < 0)
        return 1;
    log_open(2, LOG_FORMAT_TEXT, level);
    status = exec_run(&options);
    log_flush();
    return status;
}
