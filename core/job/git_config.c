/* core/job/git_config.c - configuration files for git, as text (git_config.h). */
#include "core/job/git_config.h"

#include <string.h>

#include "core/base/str.h"
#include "core/job/git_settings.h"
#include "core/job/job.h"

/* Answers `get` alone: what git tells it to store or to erase is nothing to it. */
static const char helper[] = "!f() { test \"$1\" = get && printf 'username=gitlab-ci-token\\n"
                             "password=%s\\n' \"$CI_JOB_TOKEN\"; }; f";

/* Between double quotes, as git reads values and the names of sections. */
static void add_quoted(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_char(out, '\\');
        if (*text == '\n')
            buf_add_str(out, "\\n");
        else
            buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}

static void add_section(struct buf *out, const char *name, const char *which)
{
    buf_addf(out, "[%s ", name);
    add_quoted(out, which);
    buf_add_str(out, "]\n");
}

static void add_value(struct buf *out, const char *key, const char *value)
{
    buf_addf(out, "\t%s = ", key);
    add_quoted(out, value);
    buf_add_char(out, '\n');
}

static void add_tmp_path(const struct job *job, struct buf *out, const char *key, const char *name)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", job->tmp_dir, name);
    add_value(out, key, buf_str(&path));
    buf_inherit_error(out, &path);
}

void git_add_origin(struct buf *out, const char *url)
{
    const char *host = strstr(url, "://");

    if (host && (str_starts(url, "http://") || str_starts(url, "https://")))
        buf_add(out, url, (size_t) (host + 3 - url) + strcspn(host + 3, "/?#"));
}

/* The runner's certificates, which it has put into the job's file variables. */
static void add_certificates(const struct job *job, struct buf *out)
{
    static const struct {
        const char *key, *variable;
    } files[] = {
        { "sslCAInfo", "CI_SERVER_TLS_CA_FILE" },
        { "sslCert", "CI_SERVER_TLS_CERT_FILE" },
        { "sslKey", "CI_SERVER_TLS_KEY_FILE" },
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (!str_empty(variables_get(&job->variables, files[i].variable)))
            add_tmp_path(job, out, files[i].key, files[i].variable);
}

/* One server that the job's token is for. No other helper of the machine hears of it: a credential
 * store would keep it beyond the job. */
static void add_server(const struct job *job, struct buf *out, const char *origin,
                       const char *correlation)
{
    add_section(out, "credential", origin);
    add_value(out, "helper", "");
    add_value(out, "helper", helper);
    add_section(out, "http", origin);
    if (correlation) {
        autobuf struct buf header = BUF_INIT;

        buf_addf(&header, "X-Gitaly-Correlation-ID: %s", correlation);
        add_value(out, "extraHeader", buf_str(&header));
        buf_inherit_error(out, &header);
    }
    if (job->flags[FF_USE_GIT_PROACTIVE_AUTH])
        add_value(out, "proactiveAuth", "basic");
    add_certificates(job, out);
}

/* `told` is a line for each server so far. */
static void add_server_of(const struct job *job, struct buf *out, struct buf *told, const char *url,
                          const char *correlation)
{
    autobuf struct buf origin = BUF_INIT, line = BUF_INIT;

    git_add_origin(&origin, url);
    buf_addf(&line, "\n%s\n", buf_str(&origin));
    if (origin.len > 0 && !strstr(buf_str(told), buf_str(&line))) {
        add_server(job, out, buf_str(&origin), correlation);
        buf_add_str(told, buf_str(&line));
    }
    buf_inherit_error(out, &origin);
    buf_inherit_error(out, &line);
}

/* Where the sources come from, what GitLab calls itself, and what the runner calls it: submodules may
 * be under each. */
static void add_servers(const struct job *job, struct buf *out, const char *correlation)
{
    autobuf struct buf remote = BUF_INIT, repo = BUF_INIT, told = BUF_INIT;

    git_add_remote_url(job, &remote);
    git_add_repo_url(job, &repo);
    add_server_of(job, out, &told, buf_str(&remote), correlation);
    add_server_of(job, out, &told, buf_str(&repo), correlation);
    add_server_of(job, out, &told, text_of(job->runner, "url", ""), correlation);
    buf_inherit_error(out, &remote);
    buf_inherit_error(out, &repo);
    buf_inherit_error(out, &told);
}

static const char *ssh_host(const struct job *job)
{
    const char *host = variables_get(&job->variables, "CI_SERVER_SHELL_SSH_HOST");

    return str_empty(host) ? variables_get(&job->variables, "CI_SERVER_HOST") : host;
}

static void add_rewrite(struct buf *out, const char *before, const char *host, const char *port,
                        const char *after)
{
    autobuf struct buf url = BUF_INIT;

    buf_addf(&url, "%s%s%s%s", before, host, port, after);
    add_value(out, "insteadOf", buf_str(&url));
    buf_inherit_error(out, &url);
}

/* GIT_SUBMODULE_FORCE_HTTPS: what .gitmodules has under SSH comes from the same server over HTTP. */
static void add_rewrites(const struct job *job, struct buf *out)
{
    const char *base = text_of(job->runner, "clone_url", "");
    const char *port = variables_get(&job->variables, "CI_SERVER_SHELL_SSH_PORT");
    const char *host = ssh_host(job);
    autobuf struct buf folder = BUF_INIT, colon_port = BUF_INIT;

    buf_addf(&folder, "%s/", *base ? base : text_of(job->runner, "url", ""));
    buf_addf(&colon_port, ":%s", str_empty(port) ? "22" : port);
    if (!str_starts(buf_str(&folder), "http") || str_empty(host) ||
        !variables_flag(&job->variables, "GIT_SUBMODULE_FORCE_HTTPS", false))
        return;
    add_section(out, "url", buf_str(&folder));
    add_rewrite(out, "ssh://git@", host, buf_str(&colon_port), "/");
    if (str_eq(buf_str(&colon_port), ":22")) {
        add_rewrite(out, "ssh://git@", host, "", "/");
        add_rewrite(out, "git@", host, "", ":");
    }
    buf_inherit_error(out, &folder);
    buf_inherit_error(out, &colon_port);
}

void git_config_external(const struct job *job, const char *correlation, struct buf *out)
{
    if (job->flags[FF_USE_GIT_BUNDLE_URIS])
        buf_add_str(out, "[transfer]\n\tbundleURI = true\n");
    add_servers(job, out, correlation);
    add_rewrites(job, out);
}

void git_config_template(const struct job *job, struct buf *out)
{
    buf_add_str(out, "[fetch]\n\trecurseSubmodules = false\n"
                     "[credential]\n\tinteractive = never\n"
                     "[gc]\n\tautoDetach = false\n"
                     "[include]\n");
    add_tmp_path(job, out, "path", GIT_EXTERNAL);
}

/* Git passes over what is not there. */
void git_config_global(const struct job *job, struct buf *out)
{
    buf_add_str(out, "[include]\n\tpath = ~/.config/git/config\n\tpath = ~/.gitconfig\n");
    add_tmp_path(job, out, "path", GIT_EXTERNAL);
}
