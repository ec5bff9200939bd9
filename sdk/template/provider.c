/* provider.c - a complete provider: its instances are private sshd processes on this machine.
 *
 * Put your cloud's calls where `start` and `stop` run a script. What each slot must keep is written
 * in <flotilla/provider.h>. STATE/example/ID/ is an instance from the moment at which the file `order`
 * is in it, which holds the request that ordered it: so everything is known again after a crash, and
 * nothing is ordered twice. */
#include <dirent.h>
#include <errno.h>
#include <flotilla/provider.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "example" /* yours: what `plugin = "..."` says, and the name of the .so */
#define TEXT_MAX 4096

struct flt_group {
    const struct flt_host *host;
    uint32_t max_size;
    char dir[256], user[64];
};

static const char start[] =
    "set -e; cd \"$1\"; for key in host_key login_key; do ssh-keygen -q -t ed25519 -N '' -f $key; "
    "done\n"
    "cat > sshd_config <<E\n"
    "Port $2\nListenAddress 127.0.0.1\nHostKey $1/host_key\nPidFile $1/pid\nUsePAM no\n"
    "StrictModes no\nAuthorizedKeysFile $1/login_key.pub\n"
    "ForceCommand cd '$1' && HOME='$1' exec /bin/sh -c \"\\$SSH_ORIGINAL_COMMAND\"\nE\n"
    "printf %s \"$2\" > port; /usr/sbin/sshd -f \"$1/sshd_config\"; n=0\n"
    "until [ -s pid ]; do n=$((n + 1)); [ $n -lt 100 ]; sleep 0.05; done\n" /* until it listens */
    "printf %s \"$3\" > order";
static const char stop[] = "kill \"$(cat \"$1/pid\")\"; rm -rf \"$1\"";

/* The host runs programs, within the call's time; a plugin itself never forks. */
static int32_t run(flt_group *g, flt_call *call, const char *script, const char *id,
                   const char *port)
{
    char dir[600];
    const char *const argv[] = {
        "/bin/sh", "-c", script, "sh", dir, port, g->host->request_id(call), NULL
    };
    int32_t status;

    (void) snprintf(dir, sizeof(dir), "%s/%s", g->dir, id);
    status = g->host->run(call, argv, NULL, NULL);
    return status > 0 ? flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: its script failed", id)
                      : status;
}

/* A small file of an instance. Ids come from outside, and must not lead out of the folder. */
static int read_text(flt_group *g, const char *id, const char *name, char text[TEXT_MAX])
{
    char path[600];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/%s/%s", g->dir, id, name);
    file = strchr(id, '/') || *id == '.' ? NULL : fopen(path, "re");
    if (!file)
        return -1;
    text[fread(text, 1, TEXT_MAX - 1, file)] = '\0';
    return fclose(file);
}

static int32_t on_config_keys(flt_key_sink sink, void *arg)
{
    static const struct flt_config_key key = { .struct_size = sizeof(key),
                                               .name = "max_size",
                                               .type = "integer",
                                               .default_value = "4",
                                               .help = "the most instances, 1 to 100" };

    return sink(arg, &key) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t read_config(flt_group *g, flt_call *call, struct json_object *config)
{
    json_object_object_foreach(config, key, value)
    {
        int64_t number = json_object_get_int64(value);

        if (strcmp(key, "max_size") != 0)
            flt_logf(g->host, call, FLT_LOG_WARNING, "plugin_config: unknown key '%.64s'", key);
        else if (!json_object_is_type(value, json_type_int) || number < 1 || number > 100)
            return g->host->fail(call, FLT_E_INVALID, 0, "plugin_config.max_size must be 1 to 100");
        else
            g->max_size = (uint32_t) number;
    }
    return FLT_OK;
}

/* A cloud would be asked once here, so that wrong credentials show at the start. */
static int32_t on_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                       const char *connector_config, flt_group **ret_group)
{
    struct flt_group_info info = { .struct_size = sizeof(info), .identity = "group " NAME };
    struct json_object *config = json_tokener_parse(plugin_config);
    const struct passwd *user = getpwuid(geteuid());
    flt_group *g = calloc(1, sizeof(*g));
    int32_t code;

    (void) connector_config;
    if (!g || !user || !config) {
        json_object_put(config);
        free(g);
        return host->fail(call, FLT_E_INTERNAL, 0, "no memory, no user's name or no configuration");
    }
    *g = (flt_group) { .host = host, .max_size = 4 };
    (void) snprintf(g->user, sizeof(g->user), "%s", user->pw_name);
    (void) snprintf(g->dir, sizeof(g->dir), "%s", host->state_dir(call));
    code = read_config(g, call, config);
    json_object_put(config);
    if (code != FLT_OK) {
        free(g);
        return code;
    }
    info.max_size = g->max_size;
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

static void on_close(flt_group *g)
{
    free(g);
}

/* Calls back for each instance until one returns other than FLT_OK. */
static int32_t each(flt_group *g, flt_call *call, void *arg,
                    int32_t (*fn)(const char *id, const char *order, void *arg))
{
    const struct dirent *entry;
    int32_t code = flt_call_ended(g->host, call);
    DIR *dir = opendir(g->dir);
    char order[TEXT_MAX];

    if (!dir)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: %s", g->dir, strerror(errno));
    while (code == FLT_OK && (entry = readdir(dir)))
        if (read_text(g, entry->d_name, "order", order) == 0)
            code = fn(entry->d_name, order, arg);
    (void) closedir(dir);
    return code;
}

struct listing {
    flt_instance_sink sink;
    void *arg;
};

static int32_t emit(const char *id, const char *order, void *arg)
{
    const struct listing *listing = arg;
    struct flt_instance instance = { sizeof(instance), FLT_STATE_RUNNING, id };

    (void) order;
    return listing->sink(listing->arg, &instance) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t on_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct listing listing = { sink, arg };

    return each(g, call, &listing, emit);
}

struct count {
    const char *order;
    uint32_t all, ours;
};

static int32_t count_one(const char *id, const char *order, void *arg)
{
    struct count *count = arg;

    (void) id;
    count->all++;
    count->ours += strcmp(order, count->order) == 0;
    return FLT_OK;
}

static unsigned free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void) bind(fd, (struct sockaddr *) &address, len);
    (void) getsockname(fd, (struct sockaddr *) &address, &len);
    (void) close(fd);
    return ntohs(address.sin_port);
}

static int32_t make_one(flt_group *g, flt_call *call)
{
    char path[300], port[16], *id = path + strlen(g->dir) + 1;
    int32_t code;

    (void) snprintf(path, sizeof(path), "%s/" NAME "-XXXXXX", g->dir);
    (void) snprintf(port, sizeof(port), "%u", free_port());
    if (!mkdtemp(path))
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: %s", path, strerror(errno));
    code = run(g, call, start, id, port);
    if (code != FLT_OK)
        (void) run(g, call, stop, id, port);
    return code;
}

/* The same request again is the same request: what an earlier try of it made is in the answer. */
static int32_t on_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    struct count count = { .order = g->host->request_id(call) };
    int32_t code = each(g, call, &count, count_one);

    *ret_accepted = count.ours < n ? count.ours : n;
    for (; code == FLT_OK && *ret_accepted < n; count.all++) {
        if (count.all >= g->max_size)
            return flt_failf(g->host, call, FLT_E_QUOTA, 0, "max_size is %u", g->max_size);
        code = flt_call_ended(g->host, call);
        if (code == FLT_OK)
            code = make_one(g, call);
        *ret_accepted += code == FLT_OK;
    }
    return code;
}

static int32_t on_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                           flt_id_sink accepted, void *arg)
{
    int32_t code = FLT_OK;
    char order[TEXT_MAX];

    for (uint32_t i = 0; code == FLT_OK && i < n; i++) {
        code = flt_call_ended(g->host, call);
        if (code == FLT_OK && read_text(g, ids[i], "order", order) == 0)
            code = run(g, call, stop, ids[i], "");
        if (code == FLT_OK && accepted(arg, ids[i]) != 0)
            code = FLT_E_CANCELLED;
    }
    return code;
}

/* The host key is told, too: a job goes to this instance, or nowhere. */
static int32_t on_connect_info(flt_group *g, flt_call *call, const char *id, flt_connect_sink sink,
                               void *arg)
{
    char port[TEXT_MAX], key[TEXT_MAX], public_key[TEXT_MAX], *rest = public_key;
    uint32_t number = 0;
    int32_t code = flt_call_ended(g->host, call);

    if (code != FLT_OK)
        return code;
    if (read_text(g, id, "port", port) < 0 || read_text(g, id, "login_key", key) < 0 ||
        read_text(g, id, "host_key.pub", public_key) < 0)
        return flt_failf(g->host, call, FLT_E_NOT_FOUND, 0, "there is no instance '%.64s'", id);
    for (const char *p = port; *p >= '0' && *p <= '9'; p++)
        number = number * 10 + (uint32_t) (*p - '0');
    const struct flt_host_key host_key = { .struct_size = sizeof(host_key),
                                           .type = strsep(&rest, " "),
                                           .key = strsep(&rest, " ") };
    const struct flt_connect_info info = { .struct_size = sizeof(info),
                                           .address = "127.0.0.1",
                                           .port = number,
                                           .username = g->user,
                                           .key = key,
                                           .host_keys = &host_key,
                                           .n_host_keys = 1 };
    code = sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
    explicit_bzero(key, sizeof(key));
    return code;
}

/* FLT_CAP_THIS_MACHINE lets connect_info name loopback; a cloud's provider leaves it out. */
static const struct flt_provider provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = NAME,
    .version = "0.1",
    .capabilities = FLT_CAP_CONFIG_KEYS | FLT_CAP_THIS_MACHINE,
    .open = on_open,
    .close = on_close,
    .list = on_list,
    .increase = on_increase,
    .decrease = on_decrease,
    .connect_info = on_connect_info,
    .config_keys = on_config_keys,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &provider;
}
