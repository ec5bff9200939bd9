/* core/store/certificate.c - the certificate by which GitLab knows the server of web terminals, kept over restarts of the
 * manager for core/supervisor/terminals.c. */
#include <errno.h>

#include "core/base/mem.h"
#include "core/store/internal.h"

int ledger_find_certificate(struct ledger *ledger, const char *host, int64_t since_ms,
                            int64_t until_ms, char **ret_certificate, struct secret **ret_key,
                            struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_FIND_CERTIFICATE, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_text(stmt, 1, host, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 2, since_ms);
    (void) sqlite3_bind_int64(stmt, 3, until_ms);
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW) {
        *ret_certificate = mem_strdup(column_text(stmt, 0));
        *ret_key = column_secret(stmt, 1);
        if (!*ret_certificate || !*ret_key)
            r = error_set(err, -ENOMEM, "ledger %s: out of memory", ledger->path);
        else
            r = 1;
    } else {
        r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading a certificate");
    }
    (void) sqlite3_reset(stmt);
    return r;
}

int ledger_put_certificate(struct ledger *ledger, const char *host, const char *certificate,
                           const struct secret *key, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_PUT_CERTIFICATE, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_text(stmt, 1, host, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 2, ledger_now(ledger));
    (void) sqlite3_bind_text(stmt, 3, certificate, -1, SQLITE_STATIC);
    bind_secret(stmt, 4, key);
    return ledger_step(ledger, stmt, err);
}
