/* tests/unit/plugins/local_fixture.h - the real local.so in a directory of its own, for the tests
 * of plugins/local. Every step that must work is asserted here, so that the tests read as a story.
 */
#pragma once

#include "tests/fakes/host_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define PATIENCE_MS 20000 /* how long a condition may take to come true */
#define FIXTURE_IDS_MAX 32

struct fixture {
    char root[64]; /* state directory of the host */
    struct fake_call call;
    flt_group *group;
};

struct listing {
    char ids[FIXTURE_IDS_MAX][64];
    int32_t states[FIXTURE_IDS_MAX];
    size_t n;
};

struct connection {
    char address[64], username[64], key_file[256], known_hosts[256];
    unsigned port;
};

extern const struct flt_provider *provider;

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Loads the plugin that argv[1] names; 77 with a reason where the tests cannot run, else 0. */
int fixture_load(int argc, char **argv);

/* A fresh call on the fixture; the old one is over. */
flt_call *next_call(struct fixture *f, const char *request_id, int64_t epoch);
void group_open(struct fixture *f, const char *config);
void group_close(struct fixture *f);
uint32_t grow(struct fixture *f, uint32_t n, const char *request_id);
void shrink(struct fixture *f, const char *id);
struct listing list(struct fixture *f);
int32_t state_of(struct fixture *f, const char *id); /* -1: not listed */
void wait_for_state(struct fixture *f, const char *id, int32_t state);
void connect_to(struct fixture *f, const char *id, struct connection *ret);
/* The exit status of `command` on the instance; its output goes to `out`. */
int ssh(const struct connection *c, const char *command, char *out, size_t size);
/* How many processes carry the id in their arguments or their environment. */
unsigned count_processes(const char *id);
pid_t pid_of(char *text); /* whole, but for newlines at its end, which are cut off */
bool is_alive(pid_t pid); /* a zombie is not */
void wait_for_no_process(const char *id);
pid_t read_pid_file(struct fixture *f, const char *id);
void write_file(const char *path, const char *text);
void instance_path(struct fixture *f, const char *id, const char *name, char *ret, size_t size);
