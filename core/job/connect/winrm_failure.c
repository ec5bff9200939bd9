/* core/job/connect/winrm_failure.c - see the header. */
#include "core/job/connect/winrm_failure.h"

#include <errno.h>

#include "core/base/str.h"
#include "core/job/connect/winrm_tls.h"

#define STATUS_NOT_FOUND 404
#define STATUS_UNAUTHORIZED 401
#define STATUS_FORBIDDEN 403
/* Windows' codes for a pipe that nobody reads. */
#define BROKEN_PIPE 109
#define NO_DATA 232

int winrm_failed_late(struct error *err, const char *address)
{
    return error_set(err, -ETIMEDOUT,
                     "WinRM on %s: connected, but no answer in time; the instance hangs or still "
                     "boots, or protocol_port is not WinRM's",
                     address);
}

int winrm_failed_http(struct error *err, const char *address, const char *why)
{
    return error_set(err, -EPIPE, "the connection to WinRM on %s is lost: %s", address, why);
}

int winrm_failed_certificate(struct error *err, const char *address)
{
    return error_set(err, -EKEYREJECTED,
                     "the certificate that %s shows is not one of a known authority, or not for "
                     "that name; nothing was sent. Set connector_config.tls_ca_file, or "
                     "accept_self_signed = true for instances that make their own",
                     address);
}

int winrm_failed_status(struct error *err, const struct remote_options *options, long status)
{
    const char *hint = "what answers there is not WinRM, or it still boots; check protocol_port";

    if (status == STATUS_NOT_FOUND)
        hint = "there is no /wsman; check protocol_port and `winrm quickconfig` on the instance";
    if (status == STATUS_UNAUTHORIZED)
        hint = "it does not know the login any more; was it changed?";
    if (status == STATUS_FORBIDDEN)
        hint = "the account may not use WinRM; it must be an administrator, or a member of Remote "
               "Management Users";
    return error_set(err, status == STATUS_FORBIDDEN ? -EACCES : -EPROTO,
                     "WinRM on %s port %u answers HTTP status %ld: %s", options->address,
                     options->port, status, hint);
}

int winrm_failed_login(struct error *err, const struct remote_options *options)
{
    return error_set(
        err, -EACCES, "WinRM authentication as '%s' was refused%s; check username and password",
        options->username, str_empty(options->password) ? " with no password configured" : "");
}

int winrm_failed_offer(struct error *err, const struct remote_options *options, bool basic)
{
    if (basic && winrm_tls_is_for(options))
        return error_set(err, -EACCES,
                         "WinRM on %s takes passwords in the clear alone (Basic), which are not "
                         "sent where nobody vouches for the certificate: allow Negotiate on the "
                         "instance, or use tls_ca_file in place of accept_self_signed",
                         options->address);
    if (basic)
        return error_set(err, -EACCES,
                         "WinRM on %s takes passwords in the clear alone (Basic), which are not "
                         "sent without TLS: allow Negotiate on the instance, or use protocol = "
                         "\"winrm+https\"",
                         options->address);
    return error_set(err, -EACCES,
                     "WinRM on %s takes neither Negotiate%s: allow Negotiate on the instance "
                     "(winrm set winrm/config/service/auth @{Negotiate=\"true\"})",
                     options->address, winrm_tls_is_for(options) ? " nor Basic" : "");
}

/* MS-WSMV's subcodes, and Windows' own codes where those say more. */
static const struct {
    const char *subcode;
    int64_t code;
    int error;
    const char *hint;
} known[] = {
    { "QuotaLimit", 0, -EAGAIN,
      "; raise MaxShellsPerUser, MaxConcurrentUsers, MaxProcessesPerShell or MaxMemoryPerShellMB "
      "of winrm/config/winrs on the instance to what capacity_per_instance needs" },
    { "AccessDenied", 0, -EACCES,
      "; the account must be an administrator, or a member of Remote Management Users" },
    { "EncodingLimit", 0, -EMSGSIZE, "; MaxEnvelopeSizekb of winrm/config on the instance" },
    { "InvalidSelectors", 0, -EPIPE, "; its shell has expired, or WinRM was restarted" },
    { NULL, 0x80070002, -ENOENT,
      "; is the program of connector_config's shell installed, and in the account's PATH?" },
};

/* Windows' codes alone, or as those of COM. */
bool winrm_is_unread_input(const struct soap_fault *fault)
{
    int64_t code = fault->code >> 16 == 0x8007 ? fault->code & 0xffff : fault->code;

    return code == BROKEN_PIPE || code == NO_DATA;
}

int winrm_failed_fault(struct error *err, const char *doing, const struct soap_fault *fault)
{
    const char *hint = "";
    int code = -EPIPE;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_eq(known[i].subcode, fault->subcode) &&
            (known[i].code == 0 || known[i].code != fault->code))
            continue;
        code = known[i].error;
        hint = known[i].hint;
        break;
    }
    return error_set(err, code, "%s: WinRM says: %s%s", doing, fault->text, hint);
}
