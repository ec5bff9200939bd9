/* core/cli/doctor_gitlab.c - `flotilla doctor` on each GitLab: its name, the way to it, its certificates, its clock, and
 * whether it knows the runners. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/doctor.h"
#include "core/cli/gitlab.h"
#include "core/coordinator/reach.h"
#include "core/coordinator/system_id.h"

#define SKEW_MAX_MS 30000
#define DAY_MS (24 * 3600 * 1000LL)
#define EXPIRY_WARN_DAYS 21

static struct coordinator_host host_of(const struct config_runner *runner)
{
    return (struct coordinator_host) { .url = runner->url,
                                       .tls_ca_file = runner->tls_ca_file,
                                       .tls_cert_file = runner->tls_cert_file,
                                       .tls_key_file = runner->tls_key_file };
}

static const char *fix_of(enum reach_trouble trouble)
{
    switch (trouble) {
    case REACH_NAME:
        return "look at the url's spelling, and at this machine's resolver";
    case REACH_CONNECTION:
        return "look whether it runs, and at firewalls and proxies (HTTPS_PROXY, NO_PROXY) between";
    case REACH_CERTIFICATE:
        return "put the certificate of who signed it into tls-ca-file or certs/HOST.crt, or have "
               "it renewed";
    default:
        return NULL;
    }
}

static void look_at_certificate(struct doctor *doctor, const char *url,
                                const struct coordinator_reached *reached)
{
    int64_t days = (reached->cert_expires_ms - reached->asked_ms) / DAY_MS;

    if (reached->cert_expires_ms == 0)
        return;
    if (days < EXPIRY_WARN_DAYS)
        doctor_say(doctor, DOCTOR_WARN, "certificate", "have it renewed",
                   "%s: one of its chain expires in %" PRId64 " days", url, days);
    else
        doctor_say(doctor, DOCTOR_OK, "certificate", NULL, "%s: valid for %" PRId64 " more days",
                   url, days);
}

static void look_at_clock(struct doctor *doctor, const char *url,
                          const struct coordinator_reached *reached)
{
    int64_t skew = reached->date_ms - reached->asked_ms;

    if (reached->date_ms == 0)
        return;
    if (skew > SKEW_MAX_MS || skew < -SKEW_MAX_MS)
        doctor_say(doctor, DOCTOR_WARN, "clock",
                   "set this machine's clock by NTP; clouds refuse requests of another time",
                   "ours is %" PRId64 " s %s that of %s", (skew < 0 ? -skew : skew) / 1000,
                   skew < 0 ? "before" : "behind", url);
    else
        doctor_say(doctor, DOCTOR_OK, "clock", NULL, "as that of %s", url);
}

static bool look_at_url(struct doctor *doctor, const struct config_runner *runner)
{
    const struct coordinator_host host = host_of(runner);
    struct coordinator_reached reached;
    struct error err = { 0 };

    if (coordinator_reach(&host, &reached, &err) < 0) {
        doctor_say(doctor, DOCTOR_FAIL, "gitlab", NULL, "%s: %s", runner->url, err.message);
        return false;
    }
    if (reached.trouble != REACH_WELL) {
        doctor_say(doctor, DOCTOR_FAIL, "gitlab", fix_of(reached.trouble), "%s: %s", runner->url,
                   reached.message);
        return false;
    }
    doctor_say(doctor, DOCTOR_OK, "gitlab", NULL, "%s answers", runner->url);
    look_at_certificate(doctor, runner->url, &reached);
    look_at_clock(doctor, runner->url, &reached);
    return true;
}

static void look_at_token(struct doctor *doctor, const struct config_runner *runner,
                          const char *system_id)
{
    const struct coordinator_host host = host_of(runner);
    auto_answer struct gitlab_answer answer = { 0 };
    struct error err = { 0 };
    int r = gitlab_verify(&host, secret_reveal(runner->token), system_id, &answer, &err);

    if (r == 0 && answer.status == 200)
        doctor_say(doctor, DOCTOR_OK, "token", NULL, "runner '%s' is known to %s", runner->name,
                   runner->url);
    else if (r == 0 && answer.status == 403)
        doctor_say(doctor, DOCTOR_FAIL, "token",
                   "make a new one there and put its token into the configuration",
                   "runner '%s' is not known to %s: it was removed, or its token is another",
                   runner->name, runner->url);
    else
        doctor_say(doctor, DOCTOR_FAIL, "token",
                   "ask again with `flotilla verify`; look at what stands before GitLab",
                   "runner '%s': %s cannot be asked: %s", runner->name, runner->url,
                   r < 0 ? err.message : answer.message);
}

/* The one that is kept beside the configuration; it is not made here. */
static void read_system_id(const struct doctor *doctor, char dst[SYSTEM_ID_SIZE])
{
    const char *file = doctor->config_file ? doctor->config_file : cli_default_config();
    const char *slash = strrchr(file, '/');
    autofree char *path =
        mem_printf("%.*s%s", slash ? (int) (slash + 1 - file) : 0, file, ".runner_system_id");

    *dst = '\0';
    if (path && access(path, R_OK) == 0)
        (void) system_id_load(file, -1, dst, NULL);
}

/* Each URL once; its runners only where it answers. */
void doctor_look_at_gitlab(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    autofree bool *well = mem_array(config->n_runners + 1, sizeof(*well));
    char system_id[SYSTEM_ID_SIZE];

    if (!well)
        return;
    read_system_id(doctor, system_id);
    for (size_t i = 0; i < config->n_runners; i++) {
        size_t first = 0;

        while (!str_eq(config->runners[first].url, config->runners[i].url))
            first++;
        well[i] = first == i ? look_at_url(doctor, &config->runners[i]) : well[first];
        if (well[i])
            look_at_token(doctor, &config->runners[i], system_id);
    }
}
