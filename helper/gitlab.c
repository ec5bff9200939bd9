/* helper/gitlab.c - see gitlab.h. */
#include "helper/gitlab.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "helper/say.h"

const struct option gitlab_options[] = {
    OPTION("url", "CI_SERVER_URL", OPTION_TEXT, gitlab, url, "GitLab's URL"),
    OPTION("token", "CI_JOB_TOKEN", OPTION_TEXT, gitlab, token, "the job's token"),
    OPTION("token-stdin", NULL, OPTION_FLAG, gitlab, token_stdin, "read the token from stdin"),
    OPTION("id", "CI_JOB_ID", OPTION_NUMBER, gitlab, job_id, "the job's number"),
    OPTION("tls-ca-file", "CI_SERVER_TLS_CA_FILE", OPTION_TEXT, gitlab, ca_file,
           "authorities to trust beside the system's"),
    OPTION("tls-cert-file", "CI_SERVER_TLS_CERT_FILE", OPTION_TEXT, gitlab, cert_file,
           "certificate to show"),
    OPTION("tls-key-file", "CI_SERVER_TLS_KEY_FILE", OPTION_TEXT, gitlab, key_file, "its key"),
    { 0 }
};

static int read_token(struct gitlab *gitlab)
{
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < GITLAB_TOKEN_MAX && !memchr(gitlab->read_token, '\n', len)) {
        n = io_read(STDIN_FILENO, gitlab->read_token + len, GITLAB_TOKEN_MAX - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t) n;
    }
    gitlab->read_token[strcspn(gitlab->read_token, "\r\n")] = '\0';
    gitlab->token = gitlab->read_token;
    if (!*gitlab->read_token)
        return -say_fatal("--token-stdin: there is no token on stdin");
    return 0;
}

/* What was an argument, or in the environment, others of this user can read in /proc. */
static int hide_token(struct gitlab *gitlab)
{
    char *given = (char *) gitlab->token;

    if (str_empty(given))
        return 0;
    if (str_copy(gitlab->read_token, sizeof(gitlab->read_token), given) < 0)
        return -say_fatal("the token is longer than %d bytes", GITLAB_TOKEN_MAX);
    secret_wipe_str(given);
    gitlab->token = gitlab->read_token;
    return 0;
}

int gitlab_take_token(struct gitlab *gitlab)
{
    int r = gitlab->token_stdin ? read_token(gitlab) : hide_token(gitlab);

    if (r == 0 && !str_empty(gitlab->token))
        token_shorten(gitlab->token, gitlab->short_token);
    return r;
}
