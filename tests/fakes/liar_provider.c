/* tests/fakes/liar_provider.c - the local provider (plugins/local, built in) that lies and fails when
 * a test says so, so that real jobs run on real instances beside each lie.
 *
 * plugin_config.liar names a folder; everything else there is the local provider's. In the folder:
 *
 *   lies      lines "CALL FIRST LAST LIE": what the calls FIRST to LAST of that slot do (1 is the
 *             group's first one ever; "-" as LAST: for ever). Read anew at each call.
 *   CALL      written here: a line for each call of the slot, with the lie that it told or "truth"
 *   others    ids, one a line, that `others` lists as well
 *   going     ids, one a line, that `going` lists as deleting
 *   decreased written here: each id of each decrease
 *
 * The lies are the tables at the end of this file. */
#include <flotilla/provider.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The build renames the entry of the local provider's sources. */
const struct flt_provider *local_provider_v1(void);

#define MILLION 1000000
#define HUGE_TEXT ((size_t) 1024 * 1024)

/* One group a process; the local provider's group is handed through as it is. */
static struct {
    char dir[200];
    const struct flt_host *host;
    flt_instance_sink sink; /* of the last list */
    void *arg;
} liar;

struct call {
    flt_group *group;
    flt_call *call;
    flt_instance_sink sink; /* of a list */
    flt_id_sink accepted;   /* of a decrease */
    flt_connect_sink connect;
    const char *id; /* of connect_info */
    flt_signal_sink signal;
    void *arg;
    const char *const *ids;
    uint32_t n;
    uint32_t *ret_accepted;
};

static const struct flt_provider *truth(void)
{
    return local_provider_v1();
}

static FILE *open_file(const char *name, const char *mode)
{
    char path[300];

    (void) snprintf(path, sizeof(path), "%s/%s", liar.dir, name);
    return fopen(path, mode);
}

static void note(const char *name, const char *text)
{
    FILE *file = open_file(name, "ae");

    if (!file)
        return;
    (void) fprintf(file, "%s\n", text);
    (void) fclose(file);
}

static int count_lines(const char *name)
{
    FILE *file = open_file(name, "re");
    int n = 0;

    for (int c; file && (c = fgetc(file)) != EOF;)
        n += c == '\n';
    if (file)
        (void) fclose(file);
    return n;
}

/* The line's next word; the rest is left in *at. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " \n");

    *at = word + strcspn(word, " \n");
    if (**at)
        *(*at)++ = '\0';
    return word;
}

/* -1 for "-", and for what is no number. */
static int read_number(const char *text)
{
    struct json_object *number = json_tokener_parse(text);
    int n = json_object_is_type(number, json_type_int) ? json_object_get_int(number) : -1;

    json_object_put(number);
    return n;
}

static bool line_is_about(char **at, const char *slot, int n)
{
    const char *name = next_word(at);
    int first = read_number(next_word(at)), last = read_number(next_word(at));

    return strcmp(name, slot) == 0 && first <= n && (last < 0 || last >= n);
}

/* Counts the call, and gives the lie that it is to tell. Noted before it is told: it may be the last
 * thing that this process does. */
static void choose_lie(const char *slot, char lie[64])
{
    FILE *file = open_file("lies", "re");
    int n = count_lines(slot) + 1;
    char line[200];

    (void) snprintf(lie, 64, "truth");
    while (file && fgets(line, sizeof(line), file)) {
        char *at = line;

        if (line_is_about(&at, slot, n))
            (void) snprintf(lie, 64, "%s", next_word(&at));
    }
    if (file)
        (void) fclose(file);
    note(slot, lie);
}

static int32_t emit(const struct call *c, const char *id, int32_t state)
{
    struct flt_instance instance = { .struct_size = sizeof(instance), .id = id, .state = state };

    return c->sink(c->arg, &instance) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t list_truly(const struct call *c)
{
    return truth()->list(c->group, c->call, c->sink, c->arg);
}

/* Lies of any call. They return FLT_OK where the call then goes on truthfully. */

static int32_t segfault(const struct call *c)
{
    (void) c;
    (void) signal(SIGSEGV, SIG_DFL);
    (void) raise(SIGSEGV);
    return FLT_OK;
}

static int32_t abort_process(const struct call *c)
{
    (void) c;
    abort();
}

static int32_t exit_well(const struct call *c)
{
    (void) c;
    _exit(0);
}

static void *idle_on(void *arg)
{
    for (;;)
        (void) poll(NULL, 0, 1000);
    return arg;
}

/* Deaf to the cancel and to every signal that can be blocked. */
static int32_t hang(const struct call *c)
{
    sigset_t all;

    (void) c;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void) idle_on(NULL);
    return FLT_OK;
}

static int32_t status_42(const struct call *c)
{
    (void) c;
    return 42;
}

static int32_t huge_reason(const struct call *c)
{
    char *text = malloc(HUGE_TEXT + 1);
    int32_t code;

    if (!text)
        return FLT_E_INTERNAL;
    memset(text, '\x1b', HUGE_TEXT);
    text[HUGE_TEXT] = '\0';
    liar.host->log(c->call, FLT_LOG_INFO, text);
    code = liar.host->fail(c->call, FLT_E_UNAVAILABLE, 0, text);
    free(text);
    return code;
}

/* As if the host had asked for it. */
static int32_t claim_cancelled(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_CANCELLED, 0, "cancelled");
}

/* Into every socket that the process has: one of them is the link. */
static int32_t garbage(const struct call *c)
{
    static const char rubbish[] = "\x7f\xff\xff\xffrubbish";

    (void) c;
    for (int fd = 3; fd < 64; fd++)
        (void) send(fd, rubbish, sizeof(rubbish), MSG_NOSIGNAL | MSG_DONTWAIT);
    return FLT_OK;
}

static int32_t close_all(const struct call *c)
{
    (void) c;
    return close_range(0, ~0U, 0) == 0 ? FLT_OK : FLT_E_INTERNAL;
}

/* Everything that a guest does not do in somebody's process. The child is marked by its name. */
static int32_t sloppy(const struct call *c)
{
    pthread_t thread;
    sigset_t all;

    (void) c;
    (void) printf("noise on the output\n");
    (void) fflush(stdout);
    (void) !chdir("/");
    (void) umask(0);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void) signal(SIGCHLD, SIG_IGN);
    (void) pthread_create(&thread, NULL, idle_on, NULL);
    if (fork() == 0)
        (void) idle_on(NULL);
    return FLT_OK;
}

/* Lies of a list. */

static int32_t list_twice(const struct call *c)
{
    int32_t code = list_truly(c);

    (void) emit(c, "local-twice", FLT_STATE_CREATING);
    (void) emit(c, "local-twice", FLT_STATE_CREATING);
    return code;
}

static int32_t list_others(const struct call *c)
{
    FILE *file = open_file("others", "re");
    int32_t code = list_truly(c);
    char id[300];

    while (file && code == FLT_OK && fgets(id, sizeof(id), file)) {
        id[strcspn(id, "\n")] = '\0';
        code = emit(c, id, FLT_STATE_RUNNING);
    }
    if (file)
        (void) fclose(file);
    return code;
}

static bool is_going(const char *id)
{
    FILE *file = open_file("going", "re");
    char line[300];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        found = strcmp(line, id) == 0;
    }
    if (file)
        (void) fclose(file);
    return found;
}

static int32_t restate_going(void *arg, const struct flt_instance *instance)
{
    const struct call *c = arg;
    int32_t state = is_going(instance->id) ? FLT_STATE_DELETING : instance->state;

    return emit(c, instance->id, state) == FLT_OK ? 0 : 1;
}

static int32_t list_going(const struct call *c)
{
    return truth()->list(c->group, c->call, restate_going, (void *) (uintptr_t) c);
}

static int32_t list_bad_id(const struct call *c)
{
    (void) emit(c, "../../etc/passwd\n", FLT_STATE_RUNNING);
    return list_truly(c);
}

static int32_t list_null_id(const struct call *c)
{
    (void) emit(c, NULL, FLT_STATE_RUNNING);
    return list_truly(c);
}

static int32_t list_state_77(const struct call *c)
{
    (void) emit(c, "local-77", 77);
    return list_truly(c);
}

static int32_t list_million(const struct call *c)
{
    char id[32];

    for (int i = 0; i < MILLION; i++) {
        (void) snprintf(id, sizeof(id), "local-%d", i);
        (void) emit(c, id, FLT_STATE_RUNNING);
    }
    return FLT_OK;
}

/* As many as may be, with ids as long as may be: more than fits the link. */
static int32_t list_long(const struct call *c)
{
    char id[256];

    for (int i = 0; i < 9000; i++) {
        (void) snprintf(id, sizeof(id), "%0255d", i);
        (void) emit(c, id, FLT_STATE_RUNNING);
    }
    return FLT_OK;
}

static int32_t list_part(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_PARTIAL, 0, "the second page is missing");
}

static int32_t list_nothing(const struct call *c)
{
    (void) c;
    return FLT_OK;
}

static int32_t emit_late(const struct call *c)
{
    struct flt_instance late = { .struct_size = sizeof(late), .id = "local-late", .state = 1 };

    (void) c;
    if (liar.sink)
        (void) liar.sink(liar.arg, &late);
    return list_truly(c);
}

static int32_t report_state;

static int32_t restate(void *arg, const struct flt_instance *instance)
{
    const struct call *c = arg;

    return emit(c, instance->id, report_state) == FLT_OK ? 0 : 1;
}

static int32_t list_in_state(const struct call *c, int32_t state)
{
    report_state = state;
    return truth()->list(c->group, c->call, restate, (void *) (uintptr_t) c);
}

static int32_t list_creating(const struct call *c)
{
    return list_in_state(c, FLT_STATE_CREATING);
}

static int32_t list_deleted(const struct call *c)
{
    return list_in_state(c, FLT_STATE_DELETED);
}

/* Lies of an increase. */

static int32_t increase_truly(const struct call *c, uint32_t n)
{
    return truth()->increase(c->group, c->call, n, c->ret_accepted);
}

static int32_t accept_more(const struct call *c)
{
    int32_t code = increase_truly(c, c->n);

    *c->ret_accepted = c->n + 1;
    return code;
}

static int32_t accept_negative(const struct call *c)
{
    int32_t code = increase_truly(c, c->n);

    *c->ret_accepted = (uint32_t) -1;
    return code;
}

static int32_t accept_fewer(const struct call *c)
{
    int32_t code = increase_truly(c, c->n);

    *c->ret_accepted = 0;
    return code;
}

static int32_t make_none(const struct call *c)
{
    *c->ret_accepted = c->n;
    return FLT_OK;
}

static int32_t make_more(const struct call *c)
{
    int32_t code = increase_truly(c, c->n + 2);

    *c->ret_accepted = c->n;
    return code;
}

static int32_t make_and_die(const struct call *c)
{
    (void) increase_truly(c, c->n);
    return segfault(c);
}

/* Lies of a decrease. */

static int32_t remove_none(const struct call *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->accepted(c->arg, c->ids[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t remove_other(const struct call *c)
{
    return c->accepted(c->arg, "local-other") == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t refuse(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_NOT_FOUND, 0, "a sentence of the provider");
}

/* Lies of a connect_info. */

static int32_t never_ready(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_NOT_READY, 600000, "it is still booting");
}

static int32_t booting(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_NOT_READY, 0, "it has no password yet");
}

static int32_t wrong_key(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_INVALID, 0, "key_path is another's key");
}

static int32_t connect_elsewhere(const struct call *c)
{
    struct flt_connect_info info = { .struct_size = sizeof(info), .address = "1.2.3.4 -oProxy=x" };

    return c->connect(c->arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t make_expired(void *arg, const struct flt_connect_info *info)
{
    const struct call *c = arg;
    struct flt_connect_info out = *info;

    out.username = "nobody-of-that-name";
    out.expires_ms = 1; /* in 1970 */
    return c->connect(c->arg, &out);
}

/* Right a long time ago. */
static int32_t expired(const struct call *c)
{
    struct call copy = *c;

    return truth()->connect_info(c->group, c->call, c->id, make_expired, &copy);
}

static int32_t unhealthy(const struct call *c)
{
    return liar.host->fail(c->call, FLT_E_UNHEALTHY, 0, "its disk is full");
}

/* Lies of signals. */

static int32_t tell(const struct call *c, int32_t code, const char *id, const char *text,
                    int64_t at_ms)
{
    struct flt_signal out = {
        .struct_size = sizeof(out), .code = code, .instance = id, .text = text, .at_ms = at_ms
    };

    return c->signal(c->arg, &out) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

/* About nobody, by codes that mean nothing, at times that are none. */
static int32_t signal_nonsense(const struct call *c)
{
    static const int32_t codes[] = { FLT_E_UNHEALTHY, FLT_E_QUOTA, FLT_OK, FLT_E_INTERNAL, 42,
                                     INT32_MIN,       INT32_MAX };
    int32_t code = FLT_OK;

    for (size_t i = 0; code == FLT_OK && i < sizeof(codes) / sizeof(codes[0]); i++)
        code = tell(c, codes[i], "local-nobody", "\x1b[2J\xff", INT64_MIN);
    return code == FLT_OK ? tell(c, FLT_E_UNHEALTHY, NULL, NULL, INT64_MAX) : code;
}

static int32_t signal_bad_id(const struct call *c)
{
    return tell(c, FLT_E_UNHEALTHY, "../../etc/passwd\n", "it goes", 0);
}

static int32_t signal_flood(const struct call *c)
{
    for (int i = 0; i < MILLION; i++)
        (void) tell(c, FLT_E_UNHEALTHY, "local-nobody", "it goes", 0);
    return FLT_OK;
}

static int32_t signal_long(const struct call *c)
{
    char *text = malloc(HUGE_TEXT);

    if (!text)
        return FLT_E_INTERNAL;
    memset(text, 'x', HUGE_TEXT - 1);
    text[HUGE_TEXT - 1] = '\0';
    for (int i = 0; i < 9000; i++)
        (void) tell(c, FLT_E_QUOTA, NULL, text, 0);
    free(text);
    return FLT_OK;
}

/* `told`: the lie is the whole answer; else it is followed by the truth where it returns FLT_OK. */
static const struct lie {
    const char *slot, *name; /* slot NULL: any */
    int32_t (*tell)(const struct call *);
    bool told;
} lies[] = {
    { NULL, "segfault", segfault, false },
    { NULL, "abort", abort_process, false },
    { NULL, "exit", exit_well, false },
    { NULL, "hang", hang, false },
    { NULL, "status_42", status_42, false },
    { NULL, "huge_reason", huge_reason, false },
    { NULL, "cancelled", claim_cancelled, false },
    { NULL, "garbage", garbage, false },
    { NULL, "close_all", close_all, false },
    { NULL, "sloppy", sloppy, false },
    { NULL, "refuse", refuse, false },
    { "list", "twice", list_twice, true },
    { "list", "others", list_others, true },
    { "list", "bad_id", list_bad_id, true },
    { "list", "null_id", list_null_id, true },
    { "list", "state_77", list_state_77, true },
    { "list", "million", list_million, true },
    { "list", "long", list_long, true },
    { "list", "part", list_part, true },
    { "list", "nothing", list_nothing, true },
    { "list", "late", emit_late, true },
    { "list", "creating", list_creating, true },
    { "list", "deleted", list_deleted, true },
    { "list", "going", list_going, true },
    { "signals", "nonsense", signal_nonsense, true },
    { "signals", "bad_id", signal_bad_id, true },
    { "signals", "flood", signal_flood, true },
    { "signals", "long", signal_long, true },
    { "increase", "accept_more", accept_more, true },
    { "increase", "accept_negative", accept_negative, true },
    { "increase", "accept_fewer", accept_fewer, true },
    { "increase", "make_none", make_none, true },
    { "increase", "make_more", make_more, true },
    { "increase", "make_and_die", make_and_die, true },
    { "decrease", "remove_none", remove_none, true },
    { "decrease", "remove_other", remove_other, true },
    { "connect_info", "never_ready", never_ready, true },
    { "connect_info", "booting", booting, true },
    { "connect_info", "wrong_key", wrong_key, true },
    { "connect_info", "elsewhere", connect_elsewhere, true },
    { "connect_info", "expired", expired, true },
    { "heartbeat", "unhealthy", unhealthy, true },
};

/* True when that was all: *ret is the slot's answer. */
static bool lied(const char *slot, const struct call *c, int32_t *ret)
{
    char name[64];

    choose_lie(slot, name);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        if (strcmp(name, lies[i].name) != 0 || (lies[i].slot && strcmp(slot, lies[i].slot) != 0))
            continue;
        *ret = lies[i].tell(c);
        return lies[i].told || *ret != FLT_OK;
    }
    return false;
}

static int32_t read_folder(const struct flt_host *host, flt_call *call, const char *plugin_config)
{
    struct json_object *config = json_tokener_parse(plugin_config), *dir = NULL;
    bool found = json_object_object_get_ex(config, "liar", &dir);

    if (found)
        (void) snprintf(liar.dir, sizeof(liar.dir), "%s", json_object_get_string(dir));
    json_object_put(config);
    liar.host = host;
    return found ? FLT_OK
                 : host->fail(call, FLT_E_INVALID, 0, "plugin_config.liar, a folder, is missing");
}

static int32_t liar_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                         const char *connector_config, flt_group **ret_group)
{
    struct flt_group_info endless = { .struct_size = sizeof(endless),
                                      .max_size = (uint32_t) -1,
                                      .identity = "an endless group" };
    int32_t code = read_folder(host, call, plugin_config);
    char lie[64];

    if (code != FLT_OK || lied("open", &(struct call) { .call = call }, &code))
        return code;
    code = truth()->open(host, call, plugin_config, connector_config, ret_group);
    choose_lie("describe_group", lie);
    if (strcmp(lie, "endless") == 0)
        host->describe_group(call, &endless);
    return code;
}

static void liar_close(flt_group *group)
{
    truth()->close(group);
}

static int32_t liar_list(flt_group *group, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct call c = { .group = group, .call = call, .sink = sink, .arg = arg };
    int32_t code;

    if (!lied("list", &c, &code))
        code = list_truly(&c);
    liar.sink = sink;
    liar.arg = arg;
    return code;
}

static int32_t liar_increase(flt_group *group, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    struct call c = { .group = group, .call = call, .n = n, .ret_accepted = ret_accepted };
    int32_t code;

    return lied("increase", &c, &code) ? code : increase_truly(&c, n);
}

static int32_t liar_decrease(flt_group *group, flt_call *call, const char *const *ids, uint32_t n,
                             flt_id_sink accepted, void *arg)
{
    struct call c = {
        .group = group, .call = call, .accepted = accepted, .arg = arg, .ids = ids, .n = n
    };
    int32_t code;

    for (uint32_t i = 0; i < n; i++)
        note("decreased", ids[i]);
    return lied("decrease", &c, &code) ? code
                                       : truth()->decrease(group, call, ids, n, accepted, arg);
}

static int32_t liar_connect_info(flt_group *group, flt_call *call, const char *id,
                                 flt_connect_sink sink, void *arg)
{
    struct call c = { .group = group, .call = call, .connect = sink, .id = id, .arg = arg };
    int32_t code;

    return lied("connect_info", &c, &code) ? code
                                           : truth()->connect_info(group, call, id, sink, arg);
}

static int32_t liar_heartbeat(flt_group *group, flt_call *call, const char *id)
{
    struct call c = { .group = group, .call = call };
    int32_t code;

    return lied("heartbeat", &c, &code) ? code : truth()->heartbeat(group, call, id);
}

static int32_t liar_signals(flt_group *group, flt_call *call, flt_signal_sink sink, void *arg)
{
    struct call c = { .group = group, .call = call, .signal = sink, .arg = arg };
    int32_t code;

    return lied("signals", &c, &code) ? code : truth()->signals(group, call, sink, arg);
}

/* That it claims to be "local" is the lie that lets its instances be reached at all (V13). */
static const struct flt_provider liar_provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = "local",
    .version = "1",
    .capabilities = FLT_CAP_HEARTBEAT | FLT_CAP_THIS_MACHINE | FLT_CAP_SIGNALS,
    .open = liar_open,
    .close = liar_close,
    .list = liar_list,
    .increase = liar_increase,
    .decrease = liar_decrease,
    .connect_info = liar_connect_info,
    .heartbeat = liar_heartbeat,
    .signals = liar_signals,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &liar_provider;
}
