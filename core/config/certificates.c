/* core/config/certificates.c - certificates that no setting names: `certs/HOST.crt` and its companions
 * beside the configuration, and where GitLab Runner keeps them (coordinator-protocol.md 3.7). Called
 * when a [[runners]] entry has been read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/checks.h"

/* "https://gitlab.example.com:8443/x" → "gitlab.example.com". No name that leaves the directory; NULL where
 * there is none. */
static int host_of(const char *url, char **ret)
{
    const char *host = url ? strstr(url, "://") : NULL;
    size_t len;

    if (!host)
        return 0;
    host += strlen("://");
    len = host[0] == '[' ? strcspn(host, "]/") : strcspn(host, ":/?#");
    if (len == 0 || host[0] == '.')
        return 0;
    *ret = mem_strndup(host, len + (host[len] == ']'));
    return *ret ? 0 : -ENOMEM;
}

struct places {
    struct config_reading *reading;
    const char *host, *beside, *peers;
};

/* One that was configured stays. */
static void find(const struct places *places, const char *suffix, char **setting)
{
    const char *const directories[] = { places->beside, places->peers };

    for (size_t i = 0; i < ARRAY_LEN(directories) && str_empty(*setting); i++) {
        autofree char *path = mem_printf("%s/certs/%s%s", directories[i], places->host, suffix);

        if (!path)
            places->reading->out_of_memory = true;
        else if (access(path, R_OK) == 0) {
            free(*setting);
            *setting = take_ptr(path);
        }
    }
}

static char *directory_of(const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;

    return slash ? mem_strndup(file, (size_t) (slash - file)) : mem_strdup(".");
}

static char *peers_directory(void)
{
    const char *home = getenv("HOME");

    return geteuid() == 0 || str_empty(home) ? mem_strdup("/etc/gitlab-runner")
                                             : mem_printf("%s/.gitlab-runner", home);
}

void find_certificates(struct config_reading *reading, struct config_runner *runner)
{
    autofree char *beside = directory_of(reading->file), *peers = peers_directory(), *host = NULL,
                  *cert = NULL, *key = NULL;
    struct places places = { .reading = reading, .beside = beside, .peers = peers };

    if (host_of(runner->url, &host) < 0 || !beside || !peers)
        reading->out_of_memory = true;
    if (!host || !beside || !peers)
        return;
    places.host = host;
    find(&places, ".crt", &runner->tls_ca_file);
    if (!str_empty(runner->tls_cert_file))
        return;
    find(&places, ".auth.crt", &cert);
    find(&places, ".auth.key", &key);
    if (!cert || !key)
        return;
    free(runner->tls_cert_file);
    free(runner->tls_key_file);
    runner->tls_cert_file = take_ptr(cert);
    runner->tls_key_file = take_ptr(key);
}
