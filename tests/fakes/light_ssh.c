/* tests/fakes/light_ssh.c - an SSH server for bench/thousand.py that lets everybody in and runs nothing, so that a
 * thousand jobs cost the machine little beside the manager. One process, a thread a connection.
 *
 * Usage: light_ssh. Says "PORT" on stdout, then serves on loopback until it is killed. A command ends with 0 once its
 * input has ended. Lines of the input that begin with "#light " are what it does before, the user's name is the machine's:
 *   begin JOB FILE, end JOB FILE   appends that to FILE as tests/checker/jobs.py has a job do it
 *   say TEXT                       prints the line
 *   hold                           waits until our stdin has ended */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define DIRECTORY "\nmkdir -p -m 700 -- '" /* how a stage makes its own (core/job/shell/bash.c) */

struct machine {
    ssh_session session;
    ssh_event event;
    char *name;
    struct command *commands;
    bool stdin_ended;
};

struct command {
    struct command *next;
    struct machine *machine;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    struct buf input;
    size_t done; /* bytes of it */
    bool input_ended, ended;
};

static ssh_key host_key;

static void note(const struct command *command, const char *what, const char *rest)
{
    const char *file = strchr(rest, ' '), *dir = strstr(buf_str(&command->input), DIRECTORY);
    autoclose int fd = file ? open(file + 1, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    autobuf struct buf line = BUF_INIT;
    struct timespec now;

    if (!dir || fd < 0)
        _exit(1);
    dir += strlen(DIRECTORY);
    (void) clock_gettime(CLOCK_REALTIME, &now);
    buf_addf(&line, "%s %.*s %lld.%09ld %s %.*s\n", what, (int) (file - rest), rest,
             (long long) now.tv_sec, now.tv_nsec, command->machine->name, (int) strcspn(dir, "'"),
             dir);
    if (fs_write_all(fd, line.data, line.len) < 0)
        _exit(1);
}

static void say(const struct command *command, const char *text)
{
    autofree char *line = mem_printf("%s\n", text);

    (void) ssh_channel_write(command->channel, line, (uint32_t) strlen(line));
}

/* Whether it was done; else it is asked for again when our stdin has ended. */
static bool obey(const struct command *command, const char *order)
{
    if (str_starts(order, "begin "))
        note(command, "begin", order + strlen("begin "));
    else if (str_starts(order, "end "))
        note(command, "end", order + strlen("end "));
    else if (str_starts(order, "say "))
        say(command, order + strlen("say "));
    else
        return command->machine->stdin_ended;
    return true;
}

static void go_on(struct command *command)
{
    while (command->done < command->input.len) {
        const char *at = command->input.data + command->done;
        size_t len = strcspn(at, "\n");
        autofree char *line = mem_strndup(at, len);

        if (str_starts(line, "#light ") && !obey(command, line + strlen("#light ")))
            return;
        command->done += len + 1;
    }
    command->ended = true;
    buf_done(&command->input);
    (void) ssh_channel_request_send_exit_status(command->channel, 0);
    (void) ssh_channel_send_eof(command->channel);
    (void) ssh_channel_close(command->channel);
}

static int on_exec(ssh_session session, ssh_channel channel, const char *text, void *arg)
{
    (void) session;
    (void) channel;
    (void) text;
    (void) arg;
    return 0; /* taken */
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
                   int is_stderr, void *arg)
{
    struct command *command = arg;

    (void) session;
    (void) channel;
    (void) is_stderr;
    buf_add(&command->input, data, len);
    return (int) len;
}

static void on_eof(ssh_session session, ssh_channel channel, void *arg)
{
    struct command *command = arg;

    (void) session;
    (void) channel;
    command->input_ended = true;
}

static ssh_channel on_channel(ssh_session session, void *arg)
{
    struct machine *machine = arg;
    struct command *command = mem_zero(sizeof(*command));

    command->next = machine->commands;
    command->machine = machine;
    command->channel = ssh_channel_new(session);
    command->callbacks =
        (struct ssh_channel_callbacks_struct) { .userdata = command,
                                                .channel_exec_request_function = on_exec,
                                                .channel_data_function = on_data,
                                                .channel_eof_function = on_eof };
    ssh_callbacks_init(&command->callbacks);
    (void) ssh_set_channel_callbacks(command->channel, &command->callbacks);
    machine->commands = command;
    return command->channel;
}

static int on_key(ssh_session session, const char *user, struct ssh_key_struct *key, char state,
                  void *arg)
{
    struct machine *machine = arg;

    (void) session;
    (void) key;
    (void) state;
    if (!machine->name)
        machine->name = mem_strdup(user);
    return SSH_AUTH_SUCCESS;
}

static int on_stdin(socket_t fd, int events, void *arg)
{
    struct machine *machine = arg;

    (void) events;
    machine->stdin_ended = true;
    return ssh_event_remove_fd(machine->event, fd);
}

static void serve(struct machine *machine)
{
    (void) ssh_event_add_session(machine->event, machine->session);
    (void) ssh_event_add_fd(machine->event, STDIN_FILENO, POLLIN, on_stdin, machine);
    while (ssh_event_dopoll(machine->event, -1) != SSH_ERROR &&
           !(ssh_get_status(machine->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)))
        for (struct command *command = machine->commands; command; command = command->next)
            if (command->input_ended && !command->ended)
                go_on(command);
}

static void clear(struct machine *machine)
{
    struct command *next;

    ssh_event_free(machine->event);
    ssh_disconnect(machine->session);
    ssh_free(machine->session);
    for (struct command *command = machine->commands; command; command = next) {
        next = command->next;
        buf_done(&command->input);
        free(command);
    }
    free(machine->name);
}

static void *on_connection(void *arg)
{
    int *fd = arg;
    struct machine machine = { .session = ssh_new(), .event = ssh_event_new() };
    struct ssh_server_callbacks_struct callbacks = { .userdata = &machine,
                                                     .auth_pubkey_function = on_key,
                                                     .channel_open_request_session_function =
                                                         on_channel };
    ssh_bind bind = ssh_bind_new();

    ssh_callbacks_init(&callbacks);
    (void) ssh_set_server_callbacks(machine.session, &callbacks);
    ssh_set_auth_methods(machine.session, SSH_AUTH_METHOD_PUBLICKEY);
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, ssh_key_dup(host_key)) == SSH_OK &&
        ssh_bind_accept_fd(bind, machine.session, *fd) == SSH_OK &&
        ssh_handle_key_exchange(machine.session) == SSH_OK)
        serve(&machine);
    clear(&machine);
    ssh_bind_free(bind);
    free(fd);
    return NULL;
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *) &address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *) &address, &len) < 0)
        return -1;
    (void) printf("%d\n", ntohs(address.sin_port));
    (void) fflush(stdout);
    return fd;
}

int main(void)
{
    struct rlimit files;
    pthread_attr_t attributes;
    int listener = listen_on_loopback();

    (void) signal(SIGPIPE, SIG_IGN);
    if (listener < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0 ||
        ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &host_key) != SSH_OK)
        return 1;
    files.rlim_cur = files.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &files);
    (void) pthread_attr_init(&attributes);
    (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void) pthread_attr_setstacksize(&attributes, 256 << 10);
    for (;;) {
        int *fd = mem_zero(sizeof(*fd));
        pthread_t thread;

        *fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (*fd < 0 || pthread_create(&thread, &attributes, on_connection, fd) != 0)
            return 1;
    }
}
