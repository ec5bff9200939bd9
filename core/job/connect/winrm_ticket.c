/* core/job/connect/winrm_ticket.c - see the header. */
#include "core/job/connect/winrm_ticket.h"

#include <errno.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>

#include "core/base/str.h"

#define CACHE "MEMORY:flotilla"

bool winrm_ticket_is_for(const char *username)
{
    return username && strchr(username, '@') && !strchr(username, '\\');
}

/* What is open while a ticket is fetched. */
struct fetching {
    krb5_context context;
    krb5_ccache cache;
    krb5_principal user, service;
    krb5_creds user_ticket, *service_ticket;
};

static krb5_error_code fetch_user(struct fetching *fetching, const struct remote_options *options)
{
    krb5_error_code r = krb5_parse_name(fetching->context, options->username, &fetching->user);

    if (r == 0)
        r = krb5_get_init_creds_password(fetching->context, &fetching->user_ticket, fetching->user,
                                         options->password ? options->password : "", NULL, NULL, 0,
                                         NULL, NULL);
    if (r == 0)
        r = krb5_cc_initialize(fetching->context, fetching->cache, fetching->user);
    if (r == 0)
        r = krb5_cc_store_cred(fetching->context, fetching->cache, &fetching->user_ticket);
    return r;
}

static krb5_error_code fetch_service(struct fetching *fetching,
                                     const struct remote_options *options)
{
    krb5_creds wanted = { 0 };
    krb5_error_code r = krb5_sname_to_principal(fetching->context, options->address, "HTTP",
                                                KRB5_NT_SRV_HST, &fetching->service);

    wanted.client = fetching->user;
    wanted.server = fetching->service;
    return r != 0 ? r
                  : krb5_get_credentials(fetching->context, 0, fetching->cache, &wanted,
                                         &fetching->service_ticket);
}

static void fetching_done(struct fetching *fetching)
{
    if (fetching->service_ticket)
        krb5_free_creds(fetching->context, fetching->service_ticket);
    krb5_free_cred_contents(fetching->context, &fetching->user_ticket);
    krb5_free_principal(fetching->context, fetching->service);
    krb5_free_principal(fetching->context, fetching->user);
    if (fetching->cache)
        (void) krb5_cc_close(fetching->context, fetching->cache);
    krb5_free_context(fetching->context);
}

static int failed(const struct fetching *fetching, krb5_error_code code, const char *doing,
                  struct error *err)
{
    const char *why = krb5_get_error_message(fetching->context, code);
    int r = error_set(err, -EACCES, "%s: %s", doing, why);

    krb5_free_error_message(fetching->context, why);
    return r;
}

int winrm_ticket_fetch(const struct remote_options *options, struct error *err)
{
    struct fetching fetching = { 0 };
    OM_uint32 minor;
    krb5_error_code code = krb5_init_context(&fetching.context);
    int r = 0;

    if (code != 0)
        return error_set(err, -EACCES, "Kerberos cannot be used here: check krb5.conf");
    code = krb5_cc_resolve(fetching.context, CACHE, &fetching.cache);
    if (code == 0)
        code = fetch_user(&fetching, options);
    if (code != 0)
        r = failed(&fetching, code, "Kerberos does not let the user in", err);
    if (code == 0 && (code = fetch_service(&fetching, options)) != 0)
        r = failed(&fetching, code, "Kerberos gives no ticket for the instance's WinRM", err);
    fetching_done(&fetching);
    if (r == 0 && GSS_ERROR(gss_krb5_ccache_name(&minor, CACHE, NULL)))
        r = error_set(err, -ENOMEM, "Kerberos: out of memory");
    return r;
}
