/* core/store/schema.c - the ledger's tables and the rules that SQL itself keeps.
 *
 * Versions go forward only: migrations[i] leads from version i to i + 1, each in one transaction.
 * States have ranks; triggers refuse every step back, so that not even a wrong statement can undo
 * what happened. The tables are described in docs/design/processes.md. */
#include <errno.h>
#include <inttypes.h>

#include "core/base/str.h"
#include "core/store/internal.h"

static const char version_1[] =
    "CREATE TABLE groups ("
    "  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL CHECK (epoch > 0)"
    ") STRICT;"
    "CREATE TRIGGER groups_epoch BEFORE UPDATE OF epoch ON groups WHEN NEW.epoch <= OLD.epoch "
    "BEGIN SELECT RAISE(ABORT, 'the epoch of a group only rises'); END;"

    "CREATE TABLE ranks (kind TEXT NOT NULL, state TEXT NOT NULL, rank INTEGER NOT NULL,"
    "  PRIMARY KEY (kind, state)) STRICT, WITHOUT ROWID;"
    "INSERT INTO ranks VALUES ('job', 'received', 0), ('job', 'acknowledged', 1),"
    "  ('job', 'assigned', 2), ('job', 'running', 3), ('job', 'finished', 4), ('job', 'closed', 5),"
    "  ('life', 'present', 0), ('life', 'removing', 1), ('life', 'gone', 2);"

    "CREATE TABLE instances ("
    "  group_id INTEGER NOT NULL REFERENCES groups (id), id TEXT NOT NULL CHECK (length(id) "
    "BETWEEN 1 AND 255),"
    "  life TEXT NOT NULL CHECK (life IN ('present', 'removing', 'gone')),"
    "  state TEXT NOT NULL, cause TEXT NOT NULL, uses INTEGER NOT NULL CHECK (uses >= 0),"
    "  first_seen_ms INTEGER NOT NULL, ready_ms INTEGER NOT NULL, idle_since_ms INTEGER NOT NULL,"
    "  remove_reason TEXT NOT NULL, gone_ms INTEGER NOT NULL, PRIMARY KEY (group_id, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER instances_life BEFORE UPDATE OF life ON instances"
    "  WHEN (SELECT rank FROM ranks WHERE kind = 'life' AND state = NEW.life)"
    "     < (SELECT rank FROM ranks WHERE kind = 'life' AND state = OLD.life) "
    "BEGIN SELECT RAISE(ABORT, 'the life of an instance only goes forward'); END;"
    "CREATE TRIGGER instances_uses BEFORE UPDATE OF uses ON instances WHEN NEW.uses < OLD.uses "
    "BEGIN SELECT RAISE(ABORT, 'the uses of an instance only rise'); END;"

    "CREATE TABLE jobs ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL REFERENCES groups (id),"
    "  coordinator_url TEXT NOT NULL, runner TEXT NOT NULL, job_id INTEGER NOT NULL CHECK (job_id "
    "> 0),"
    "  project_id INTEGER NOT NULL, name TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('received', 'acknowledged', 'assigned', 'running', "
    "'finished', 'closed')),"
    "  token TEXT, payload TEXT, worker_key TEXT NOT NULL, instance_id TEXT NOT NULL, slot INTEGER "
    "NOT NULL,"
    "  concurrent_id INTEGER NOT NULL, concurrent_project_id INTEGER NOT NULL,"
    "  sent_offset INTEGER NOT NULL CHECK (sent_offset >= 0),"
    "  result_state TEXT NOT NULL CHECK (result_state IN ('', 'success', 'failed')),"
    "  failure_reason TEXT NOT NULL, exit_code INTEGER NOT NULL, log_size INTEGER NOT NULL,"
    "  log_crc INTEGER NOT NULL, timeout_s INTEGER NOT NULL, received_ms INTEGER NOT NULL,"
    "  assigned_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    "  closed_ms INTEGER NOT NULL, message TEXT NOT NULL, worker_pid INTEGER NOT NULL,"
    "  debug_trace INTEGER NOT NULL CHECK (debug_trace IN (0, 1)),"
    "  CHECK (state != 'closed' OR (token IS NULL AND payload IS NULL)),"
    "  CHECK (state != 'finished' OR result_state != '')"
    ") STRICT;"
    "CREATE UNIQUE INDEX jobs_open ON jobs (coordinator_url, job_id) WHERE state != 'closed';"
    "CREATE INDEX jobs_state ON jobs (state) WHERE state != 'closed';"
    "CREATE UNIQUE INDEX jobs_concurrent ON jobs (group_id, concurrent_id)"
    "  WHERE state IN ('assigned', 'running');"
    "CREATE UNIQUE INDEX jobs_directory ON jobs (group_id, project_id, concurrent_project_id)"
    "  WHERE state IN ('assigned', 'running');"
    "CREATE TRIGGER jobs_state_forward BEFORE UPDATE OF state ON jobs"
    "  WHEN (SELECT rank FROM ranks WHERE kind = 'job' AND state = NEW.state)"
    "    <= (SELECT rank FROM ranks WHERE kind = 'job' AND state = OLD.state) "
    "BEGIN SELECT RAISE(ABORT, 'the state of a job only goes forward'); END;"
    "CREATE TRIGGER jobs_result BEFORE UPDATE OF result_state, log_crc, log_size ON jobs"
    "  WHEN OLD.result_state != '' AND (NEW.result_state != OLD.result_state OR"
    "       NEW.log_crc != OLD.log_crc OR NEW.log_size != OLD.log_size) "
    "BEGIN SELECT RAISE(ABORT, 'the result of a job is stored once'); END;"
    "CREATE TRIGGER jobs_token BEFORE UPDATE OF token ON jobs WHEN OLD.token IS NULL AND NEW.token "
    "IS NOT NULL "
    "BEGIN SELECT RAISE(ABORT, 'a token that was dropped does not come back'); END;"

    "CREATE TABLE slots ("
    "  group_id INTEGER NOT NULL, instance_id TEXT NOT NULL, slot INTEGER NOT NULL CHECK (slot >= "
    "0),"
    "  seq INTEGER NOT NULL UNIQUE REFERENCES jobs (seq), PRIMARY KEY (group_id, instance_id, slot)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE intents ("
    "  request_id TEXT PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES groups (id), epoch "
    "INTEGER NOT NULL,"
    "  kind TEXT NOT NULL CHECK (kind IN ('increase', 'decrease')), count INTEGER NOT NULL, ids "
    "TEXT,"
    "  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed', 'resolved')),"
    "  created_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, message TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX intents_open ON intents (group_id) WHERE state = 'open';"
    "CREATE TRIGGER intents_state BEFORE UPDATE OF state ON intents WHEN OLD.state != 'open' "
    "BEGIN SELECT RAISE(ABORT, 'an intent ends once'); END;"

    "CREATE TABLE host_keys ("
    "  group_id INTEGER NOT NULL, instance_id TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL,"
    "  PRIMARY KEY (group_id, instance_id)) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER host_keys_fixed BEFORE UPDATE ON host_keys "
    "BEGIN SELECT RAISE(ABORT, 'the host key of an instance never changes'); END;"

    "CREATE TABLE warmth ("
    "  group_id INTEGER NOT NULL, instance_id TEXT NOT NULL, project_id INTEGER NOT NULL, used_ms "
    "INTEGER NOT NULL,"
    "  PRIMARY KEY (group_id, instance_id, project_id)) STRICT, WITHOUT ROWID;";

/* What an operator drains: an instance, or with '' the whole group. */
static const char version_2[] =
    "CREATE TABLE drains ("
    "  group_id INTEGER NOT NULL REFERENCES groups (id), instance_id TEXT NOT NULL,"
    "  since_ms INTEGER NOT NULL, PRIMARY KEY (group_id, instance_id)) STRICT, WITHOUT ROWID;";

/* What the fleets were told and decided (core/fleet/journal.h). */
static const char version_3[] =
    "CREATE TABLE journal ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL REFERENCES groups (id),"
    "  line TEXT NOT NULL) STRICT;"
    "CREATE INDEX journal_group ON journal (group_id, id);"
    "CREATE INDEX journal_begin ON journal (group_id, id) WHERE line = 'begin';";

/* The VM that a job runs in; '' = none that is known. */
static const char version_4[] = "ALTER TABLE jobs ADD COLUMN vm TEXT NOT NULL DEFAULT '';";

/* Instances that stay for somebody who looks at them; of a job: its number, else 0, and where it worked. */
static const char version_5[] =
    "CREATE TABLE holds ("
    "  group_id INTEGER NOT NULL REFERENCES groups (id), instance_id TEXT NOT NULL,"
    "  until_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, who TEXT NOT NULL,"
    "  by_rule INTEGER NOT NULL CHECK (by_rule IN (0, 1)), job_id INTEGER NOT NULL,"
    "  directory TEXT NOT NULL, vm TEXT NOT NULL, vm_address TEXT NOT NULL,"
    "  PRIMARY KEY (group_id, instance_id)) STRICT, WITHOUT ROWID;";

/* Web terminals that GitLab was told of: a job's, and with what it knows the server. */
static const char version_6[] =
    "ALTER TABLE jobs ADD COLUMN session TEXT;"
    "CREATE TABLE session_server ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1), host TEXT NOT NULL, made_ms INTEGER NOT NULL,"
    "  certificate TEXT NOT NULL, key TEXT NOT NULL) STRICT;";

static const char *const migrations[] = { version_1, version_2, version_3,
                                          version_4, version_5, version_6 };

static int read_version(struct ledger *ledger, int64_t *ret, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r;

    if (sqlite3_prepare_v2(ledger->db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK)
        return ledger_error(ledger, err, "reading its version");
    r = sqlite3_step(stmt);
    *ret = sqlite3_column_int64(stmt, 0);
    (void) sqlite3_finalize(stmt);
    return r == SQLITE_ROW ? 0 : ledger_error(ledger, err, "reading its version");
}

static int migrate(struct ledger *ledger, size_t from, struct error *err)
{
    char set_version[64];

    (void) snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %zu", from + 1);
    if (sqlite3_exec(ledger->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(ledger->db, migrations[from], NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(ledger->db, set_version, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(ledger->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    (void) ledger_error(ledger, err, "bringing its tables up to date");
    (void) sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
    return err ? err->code : -EIO;
}

int schema_apply(struct ledger *ledger, struct error *err)
{
    int64_t version = 0;
    int r = read_version(ledger, &version, err);

    if (r < 0)
        return r;
    if (version > (int64_t) ARRAY_LEN(migrations))
        return error_set(err, -EPROTO,
                         "ledger %s: was written by a newer flotilla (schema %" PRId64
                         ", this one knows %zu); run that one, or move the file away",
                         ledger->path, version, ARRAY_LEN(migrations));
    for (size_t i = (size_t) version; r == 0 && i < ARRAY_LEN(migrations); i++)
        r = migrate(ledger, i, err);
    return r;
}
