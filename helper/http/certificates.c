/* helper/http/certificates.c - see certificates.h. */
#include "helper/http/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/transfer/redirect.h"

/* "FOLDER/certs/HOSTENDING", where it is; dst is "" otherwise. */
static void look(const char *folder, const char *host, const char *ending, char *dst, size_t size)
{
    if (snprintf(dst, size, "%s/certs/%s%s", folder, host, ending) >= (int) size ||
        access(dst, R_OK) < 0)
        dst[0] = '\0';
}

static void look_in(const char *folder, const char *host, struct certificates *found)
{
    if (!*found->ca_file)
        look(folder, host, ".crt", found->ca_file, sizeof(found->ca_file));
    if (*found->cert_file && *found->key_file)
        return;
    look(folder, host, ".auth.crt", found->cert_file, sizeof(found->cert_file));
    look(folder, host, ".auth.key", found->key_file, sizeof(found->key_file));
}

/* Our own folder and that of GitLab Runner, which an image may bring: root's in /etc, else at home. */
static void look_everywhere(const char *host, struct certificates *found)
{
    static const char *const roots[] = { "/etc/flotilla", "/etc/gitlab-runner" }, *const homes[] = {
        ".flotilla", ".gitlab-runner"
    };
    const char *home = getenv("HOME");

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        char folder[256];

        if (geteuid() == 0)
            (void) str_copy(folder, sizeof(folder), roots[i]);
        else if (str_empty(home) ||
                 snprintf(folder, sizeof(folder), "%s/%s", home, homes[i]) >= (int) sizeof(folder))
            continue;
        look_in(folder, host, found);
    }
}

static const char *either(const char *given, const char *found)
{
    return !str_empty(given) ? given : *found ? found : NULL;
}

void certificates_find(const struct gitlab *gitlab, struct certificates *room,
                       struct outcome_tls *ret)
{
    char host[256];

    *room = (struct certificates) { 0 };
    redirect_host(gitlab->url, host, sizeof(host));
    host[strcspn(host, ":/")] = '\0'; /* nothing that would lead elsewhere, and no port */
    if (*host && *host != '.')
        look_everywhere(host, room);
    ret->ca_file = either(gitlab->ca_file, room->ca_file);
    ret->cert_file = either(gitlab->cert_file, room->cert_file);
    ret->key_file = either(gitlab->key_file, room->key_file);
}
