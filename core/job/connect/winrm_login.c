/* core/job/connect/winrm_login.c - see the header. */
#include "core/job/connect/winrm_login.h"

#include <endian.h>
#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/winrm_failure.h"
#include "core/job/connect/winrm_sealed.h"
#include "core/job/connect/winrm_ticket.h"
#include "sdk/lib/base64.h"

#define TOKEN_MAX (64 * 1024)
#define NTLM_SIGNATURE 16
/* In a challenge. */
#define NTLM_NAME_AT 12
#define NTLM_FLAGS_AT 20
/* Keys of 128 bits; and signatures of MD5 with a key, not of CRC. */
#define NTLM_FLAGS_NEEDED (0x20000000U | 0x00080000U)

static gss_OID_desc spnego = { 6, "\x2b\x06\x01\x05\x05\x02" };
static gss_OID_desc ntlm = { 10, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" };
static gss_OID_desc kerberos = { 9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" };

struct winrm_login {
    const char *username;
    bool by_ticket;
    gss_cred_id_t credential;
    gss_name_t target;
    gss_ctx_id_t context;
    struct gss_channel_bindings_struct channel; /* no application data = none */
};

/* GSSAPI's own words, of the mechanism where it has some. */
static int failed(struct error *err, int code, const char *doing, OM_uint32 major, OM_uint32 minor,
                  gss_OID mechanism)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 ignored, more = 0;
    int type = minor != 0 ? GSS_C_MECH_CODE : GSS_C_GSS_CODE;
    autobuf struct buf shown = BUF_INIT;

    (void) gss_display_status(&ignored, minor != 0 ? minor : major, type, mechanism, &more, &text);
    str_display(&shown, text.value ? text.value : "", text.length, 200);
    (void) gss_release_buffer(&ignored, &text);
    return error_set(err, code, "%s: %s", doing, shown.len > 0 ? buf_str(&shown) : "no reason");
}

/* Whose words a failure has. */
static gss_OID mechanism_of(const struct winrm_login *login)
{
    return login->by_ticket ? &kerberos : &ntlm;
}

/* Kerberos comes inside SPNEGO. NTLM comes alone, which Windows takes as well: SPNEGO's would ask the servers of some
 * realm for a ticket first, with the password. */
static gss_OID dialect_of(const struct winrm_login *login)
{
    return login->by_ticket ? &spnego : &ntlm;
}

static int import_name(const char *text, gss_OID type, gss_name_t *ret, struct error *err)
{
    gss_buffer_desc name = { strlen(text), (void *) (uintptr_t) text };
    OM_uint32 minor, major = gss_import_name(&minor, &name, type, ret);

    return GSS_ERROR(major)
               ? failed(err, -EINVAL, "the name of the instance or its user", major, minor, NULL)
               : 0;
}

static int set_target(struct winrm_login *login, const char *address, struct error *err)
{
    autobuf struct buf name = BUF_INIT;

    buf_addf(&name, "HTTP@%s", address);
    return import_name(buf_str(&name), GSS_C_NT_HOSTBASED_SERVICE, &login->target, err);
}

static int acquire(struct winrm_login *login, const char *password, struct error *err)
{
    gss_buffer_desc secret = { strlen(password), (void *) (uintptr_t) password };
    gss_OID_set_desc wanted = { 1, dialect_of(login) }, inner = { 1, &kerberos };
    gss_name_t user = GSS_C_NO_NAME;
    OM_uint32 major, minor, ignored;
    int r = import_name(login->username, GSS_C_NT_USER_NAME, &user, err);

    if (r < 0)
        return r;
    if (login->by_ticket)
        major = gss_acquire_cred(&minor, user, GSS_C_INDEFINITE, &wanted, GSS_C_INITIATE,
                                 &login->credential, NULL, NULL);
    else
        major = gss_acquire_cred_with_password(&minor, user, &secret, GSS_C_INDEFINITE, &wanted,
                                               GSS_C_INITIATE, &login->credential, NULL, NULL);
    (void) gss_release_name(&ignored, &user);
    if (!GSS_ERROR(major) && login->by_ticket)
        major = gss_set_neg_mechs(&minor, login->credential, &inner);
    if (!GSS_ERROR(major))
        return 0;
    return failed(err, -EINVAL,
                  login->by_ticket ? "Kerberos" : "NTLM (is the package gss-ntlmssp installed?)",
                  major, minor, dialect_of(login));
}

int winrm_login_new(const struct remote_options *options, struct winrm_login **ret,
                    struct error *err)
{
    struct winrm_login *login;
    int r;

    if (str_empty(options->password)) /* which GSSAPI has no words for */
        return winrm_failed_login(err, options);
    login = mem_zero(sizeof(*login));
    if (!login)
        return error_set(err, -ENOMEM, "WinRM login: out of memory");
    login->username = options->username;
    login->by_ticket = winrm_ticket_is_for(options->username);
    r = set_target(login, options->address, err);
    if (r == 0)
        r = acquire(login, options->password, err);
    if (r < 0) {
        winrm_login_free(login);
        return r;
    }
    *ret = login;
    return 0;
}

void winrm_login_bind(struct winrm_login *login, const struct buf *channel)
{
    login->channel.application_data = (gss_buffer_desc) { channel->len, channel->data };
}

void winrm_login_free(struct winrm_login *login)
{
    OM_uint32 minor;

    if (!login)
        return;
    (void) gss_delete_sec_context(&minor, &login->context, GSS_C_NO_BUFFER);
    (void) gss_release_cred(&minor, &login->credential);
    (void) gss_release_name(&minor, &login->target);
    free(login);
}

static int add_token(struct buf *out, gss_buffer_t token)
{
    OM_uint32 minor;

    if (token->length > 0)
        (void) base64_encode(out, token->value, token->length);
    (void) gss_release_buffer(&minor, token);
    return buf_error(out);
}

/* Nobody vouches for a challenge: who changes it on its way would have messages that he can read. gss-ntlmssp goes down to
 * 40 bits; and of a name that is empty it makes a crash. What is too short is its to refuse. */
static int check_challenge(const struct winrm_login *login, const gss_buffer_desc *told,
                           struct error *err)
{
    const char *at = told->value;
    uint16_t name_len;
    uint32_t flags;

    if (login->by_ticket || told->length < NTLM_FLAGS_AT + sizeof(flags))
        return 0;
    memcpy(&name_len, at + NTLM_NAME_AT, sizeof(name_len));
    memcpy(&flags, at + NTLM_FLAGS_AT, sizeof(flags));
    if (name_len == 0)
        return error_set(err, -EPROTO, "the instance's NTLM does not say its name");
    if ((le32toh(flags) & NTLM_FLAGS_NEEDED) != NTLM_FLAGS_NEEDED)
        return error_set(err, -EACCES,
                         "the instance wants NTLM with weak encryption; nothing is told to it");
    return 0;
}

static gss_channel_bindings_t channel_of(struct winrm_login *login)
{
    return login->channel.application_data.length > 0 ? &login->channel : GSS_C_NO_CHANNEL_BINDINGS;
}

int winrm_login_step(struct winrm_login *login, const char *token, struct buf *out,
                     struct error *err)
{
    static const OM_uint32 wanted =
        GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG;
    gss_buffer_desc told = GSS_C_EMPTY_BUFFER, answer = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor, got = 0;
    autofree char *bytes = NULL;
    int r;

    if (*token) {
        bytes = strlen(token) <= TOKEN_MAX ? flt_base64_read(token, &told.length) : NULL;
        if (!bytes)
            return error_set(err, -EPROTO, "what the instance says to the login is not base64");
        told.value = bytes;
    }
    r = check_challenge(login, &told, err);
    if (r < 0)
        return r;
    major = gss_init_sec_context(&minor, login->credential, &login->context, login->target,
                                 dialect_of(login), wanted, 0, channel_of(login), &told, NULL,
                                 &answer, &got, NULL);
    if (add_token(out, &answer) < 0)
        return error_set(err, -ENOMEM, "WinRM login: out of memory");
    if (GSS_ERROR(major))
        return failed(err, -EACCES, "the login failed", major, minor, mechanism_of(login));
    if (major & GSS_S_CONTINUE_NEEDED)
        return 0;
    if ((got & (GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG)) != (GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG))
        return error_set(err, -EACCES, "the instance does not agree to encrypt");
    return 1;
}

/* Kerberos' header is as long as its cipher wants; NTLM's signature has its length, and no such buffers. */
static OM_uint32 seal_by_ticket(struct winrm_login *login, const struct buf *plain, struct buf *out,
                                OM_uint32 *ret_minor)
{
    gss_iov_buffer_desc iov[3] = {
        { GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
        { GSS_IOV_BUFFER_TYPE_DATA, { plain->len, NULL } },
        { GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
    };
    autobuf struct buf data = BUF_INIT;
    OM_uint32 major, ignored;

    buf_add(&data, plain->data, plain->len);
    if (buf_error(&data) < 0)
        return GSS_S_FAILURE;
    iov[1].buffer.value = data.data;
    major = gss_wrap_iov(ret_minor, login->context, 1, GSS_C_QOP_DEFAULT, NULL, iov, 3);
    if (!GSS_ERROR(major)) {
        buf_add(&data, iov[2].buffer.value, iov[2].buffer.length);
        sealed_write(out, plain->len + iov[2].buffer.length,
                     (struct sealed_piece) { iov[0].buffer.value, iov[0].buffer.length },
                     (struct sealed_piece) { data.data, data.len });
    }
    (void) gss_release_iov_buffer(&ignored, iov, 3);
    return major;
}

static OM_uint32 seal_by_ntlm(struct winrm_login *login, const struct buf *plain, struct buf *out,
                              OM_uint32 *ret_minor)
{
    gss_buffer_desc text = { plain->len, plain->data }, sealed = GSS_C_EMPTY_BUFFER;
    OM_uint32 ignored, major;
    int encrypted = 0;

    major = gss_wrap(ret_minor, login->context, 1, GSS_C_QOP_DEFAULT, &text, &encrypted, &sealed);
    if (!GSS_ERROR(major) && (!encrypted || sealed.length < NTLM_SIGNATURE))
        major = GSS_S_FAILURE;
    if (!GSS_ERROR(major))
        sealed_write(out, plain->len, (struct sealed_piece) { sealed.value, NTLM_SIGNATURE },
                     (struct sealed_piece) { (char *) sealed.value + NTLM_SIGNATURE,
                                             sealed.length - NTLM_SIGNATURE });
    (void) gss_release_buffer(&ignored, &sealed);
    return major;
}

int winrm_login_seal(struct winrm_login *login, const struct buf *plain, struct buf *out,
                     struct error *err)
{
    OM_uint32 minor = 0;
    OM_uint32 major = login->by_ticket ? seal_by_ticket(login, plain, out, &minor)
                                       : seal_by_ntlm(login, plain, out, &minor);

    if (GSS_ERROR(major))
        return failed(err, -EPROTO, "encrypting for the instance", major, minor,
                      mechanism_of(login));
    return buf_error(out) < 0 ? error_set(err, -ENOMEM, "encrypting: out of memory") : 0;
}

int winrm_login_open(struct winrm_login *login, const struct buf *body, struct buf *out,
                     struct error *err)
{
    autobuf struct buf token = BUF_INIT;
    gss_buffer_desc sealed, plain = GSS_C_EMPTY_BUFFER;
    struct sealed_piece signature, data;
    OM_uint32 major, minor, ignored;
    size_t plain_len = 0;
    int encrypted = 0, r = sealed_read(body, &plain_len, &signature, &data, err);

    if (r < 0)
        return r;
    buf_add(&token, signature.data, signature.len);
    buf_add(&token, data.data, data.len);
    if (buf_error(&token) < 0)
        return error_set(err, -ENOMEM, "decrypting: out of memory");
    sealed = (gss_buffer_desc) { token.len, token.data };
    major = gss_unwrap(&minor, login->context, &sealed, &plain, &encrypted, NULL);
    if (GSS_ERROR(major))
        r = failed(err, -EPROTO, "decrypting the instance's answer", major, minor,
                   mechanism_of(login));
    else if (!encrypted || plain.length > plain_len)
        r = error_set(err, -EPROTO, "the instance's answer is not encrypted as it says");
    else
        buf_add(out, plain.value, plain.length);
    (void) gss_release_buffer(&ignored, &plain);
    return r;
}

int winrm_login_prepare(const struct remote_options *options, struct error *err)
{
    autobuf struct buf token = BUF_INIT;
    struct winrm_login *login = NULL;
    int r = 0;

    if (winrm_ticket_is_for(options->username))
        r = winrm_ticket_fetch(options, err);
    if (r == 0)
        r = winrm_login_new(options, &login, err);
    if (login) /* so that whatever a login needs is loaded */
        r = winrm_login_step(login, "", &token, err);
    winrm_login_free(login);
    return MIN(r, 0);
}
