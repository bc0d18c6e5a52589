-- Repairs what the documented schema gets wrong, without changing the shape of a documented table:
-- programs written from the documentation keep working, positional INSERTs included.
--
-- Every trigger serves foreign writers. Port Keeper's own connections run with triggers off and write
-- history, timestamps and leases themselves, because only they know who acts and why.
--
-- The text must parse on SQLite 3.35, since a schema that one program cannot parse locks that program
-- out of the whole file: no `->>`, no expression as a message of RAISE, no UNIXEPOCH.
--
-- Messages of RAISE begin with the column at fault.

-- The documented triggers go first. The repairs of rows below would fire them, and they are replaced
-- under their own names: the one would loop under recursive_triggers and overwrite an explicit
-- updatedAt, the other credits a release to the wrong project and misses INSERT and DELETE.

DROP TRIGGER update_ports_timestamp;
DROP TRIGGER track_port_changes;

-- Rows of a database that another program made.
--
-- Timestamps come as `2024-01-20 10:30:00` from datetime('now') and as `2024-01-20T10:30:00Z` from
-- programs; where both forms meet, text order is not time order. No row is dropped for a bad one.

UPDATE ports SET
    updatedAt = coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt), strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    reservedAt = coalesce(
        strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt),
        strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt),
        strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
    ),
    lastSeenAt = strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt);

UPDATE port_history SET performedAt =
    coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', performedAt), '1970-01-01T00:00:00Z');

UPDATE active_scans SET scannedAt =
    coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', scannedAt), '1970-01-01T00:00:00Z');

UPDATE configurations SET createdAt =
    coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', createdAt), '1970-01-01T00:00:00Z');

UPDATE migrations SET appliedAt =
    coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', appliedAt), '1970-01-01T00:00:00Z');

-- The documented query `WHERE h.port = 3000 ORDER BY h.performedAt DESC` names no second key: through
-- this index it returns the newest of one second first, and needs no sort. `id` is spelled out so that
-- the order is not an accident of how SQLite ends an index.

CREATE INDEX idx_history_port_date ON port_history(port, performedAt, id);
CREATE INDEX idx_history_project_date ON port_history(projectName, performedAt, id);

-- History has to imply exactly the claims that are open, or "who had the port then" is wrong for every
-- claim that was made by a first INSERT, which the documented schema does not record. The new row is
-- never older than the last one of its port: it would be sorted before a release otherwise.

INSERT INTO port_history (port, action, projectName, description, performedAt, details)
SELECT
    p.number, p.status, p.projectName, p.description,
    max(p.reservedAt, coalesce(h.performedAt, p.reservedAt)),
    json_object('reason', 'adopted')
FROM ports p
LEFT JOIN port_history h ON h.id = (
    SELECT id FROM port_history WHERE port = p.number ORDER BY performedAt DESC, id DESC LIMIT 1
)
WHERE p.status IN ('reserved', 'in-use')
    AND (h.id IS NULL OR h.action = 'released' OR h.projectName IS NOT p.projectName)
ORDER BY p.number;

INSERT INTO port_history (port, action, projectName, description, performedAt, details)
SELECT
    h.port, 'released', h.projectName, h.description,
    max(h.performedAt, coalesce(p.updatedAt, h.performedAt)),
    json_object('reason', 'adopted')
FROM port_history h
LEFT JOIN ports p ON p.number = h.port
WHERE h.id = (
        SELECT id FROM port_history n WHERE n.port = h.port ORDER BY performedAt DESC, id DESC LIMIT 1
    )
    AND h.action <> 'released'
    AND (p.number IS NULL OR p.status = 'free')
ORDER BY h.port;

-- What a claim depends on, beside its project's wish: a row for each claim with a role, an owner or an
-- end. The documented table has no room for it. A process is known by more than its pid, which comes
-- back: start ticks, boot, pid namespace, and the inode of its pidfd where there is one. `held` says that
-- the owner keeps a socket bound to the port without listening, which no table of sockets shows, and
-- `borrowed` that the owner uses a claim which does not end with it.

CREATE TABLE leases (
    port INTEGER PRIMARY KEY REFERENCES ports(number),
    leaseId TEXT NOT NULL UNIQUE,
    role TEXT,
    ownerPid INTEGER CHECK (ownerPid > 0),
    ownerStart INTEGER,
    ownerBoot TEXT,
    ownerNamespace INTEGER,
    ownerPidfd INTEGER,
    held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    borrowed INTEGER NOT NULL DEFAULT 0 CHECK (borrowed IN (0, 1)),
    expiresAt TEXT,
    createdAt TEXT NOT NULL,
    CHECK (
        (ownerPid IS NULL) = (ownerStart IS NULL)
        AND (ownerPid IS NULL) = (ownerBoot IS NULL)
        AND (ownerPid IS NULL) = (ownerNamespace IS NULL)
        AND (ownerPid IS NULL) = (ownerPidfd IS NULL)
    )
);

CREATE INDEX idx_leases_role ON leases(role) WHERE role IS NOT NULL;
CREATE INDEX idx_leases_expires ON leases(expiresAt) WHERE expiresAt IS NOT NULL;
CREATE INDEX idx_leases_owner ON leases(ownerPid) WHERE ownerPid IS NOT NULL;

-- Every socket of the last scan, a row for each process that has it open. `UNIQUE(port, pid)` keeps
-- active_scans from holding two sockets of one process, and a NULL pid there does not say whether the
-- owner is denied, elsewhere, or gone. `position` is the place in the order of the scan, `fd` the
-- process's descriptor, and `scannedBy` the user: what one may not see, another may.

CREATE TABLE active_sockets (
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    position INTEGER NOT NULL,
    protocol TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    address TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('listen', 'bound', 'connected', 'time-wait')),
    inode INTEGER NOT NULL DEFAULT 0,
    uid INTEGER,
    owner TEXT NOT NULL CHECK (owner IN ('known', 'denied', 'other-namespace', 'none')),
    pid INTEGER,
    fd INTEGER,
    processName TEXT,
    scannedAt TEXT NOT NULL,
    scannedBy INTEGER NOT NULL,
    PRIMARY KEY (port, position),
    CHECK ((owner = 'known') = (pid IS NOT NULL))
) WITHOUT ROWID;

-- `INSERT OR REPLACE` deletes a row without firing DELETE triggers, unless recursive_triggers is on, and
-- AFTER INSERT no longer sees what it replaced. So BEFORE INSERT copies the row here. A copy is good for
-- the one INSERT that follows it: OR IGNORE and DO NOTHING leave one behind, which the next INSERT of
-- that number drops unread.

CREATE TABLE replaced_ports (
    number INTEGER PRIMARY KEY,
    projectName TEXT,
    description TEXT,
    status TEXT,
    pid INTEGER,
    processName TEXT,
    autoRelease BOOLEAN,
    tags TEXT,
    metadata TEXT,
    lastHistoryId INTEGER NOT NULL
);

CREATE TRIGGER remember_replaced_port
BEFORE INSERT ON ports
BEGIN
    DELETE FROM replaced_ports WHERE number = NEW.number;
    INSERT INTO replaced_ports (
        number, projectName, description, status, pid, processName, autoRelease, tags, metadata,
        lastHistoryId
    )
    SELECT
        number, projectName, description, status, pid, processName, autoRelease, tags, metadata,
        (SELECT coalesce(max(id), 0) FROM port_history)
    FROM ports WHERE number = NEW.number;
END;

-- An upsert fires BEFORE INSERT and then only the triggers of UPDATE: this drops its copy.

CREATE TRIGGER forget_replaced_port
AFTER UPDATE ON ports
WHEN EXISTS (SELECT 1 FROM replaced_ports WHERE number = NEW.number)
BEGIN
    DELETE FROM replaced_ports WHERE number = NEW.number;
END;

-- One history row for each change of a claim. A change is a difference in what the claim is; timestamps
-- are none, and neither is anything about a port that is and stays free. A release names the project
-- that had the port, not one that the same statement put there. A hand-over is one row, the new owner's.
-- No row is older than the last one of its port, whatever the clock says, or it would be sorted before it.

CREATE TRIGGER track_port_changes
AFTER UPDATE ON ports
WHEN (OLD.status <> 'free' OR NEW.status <> 'free')
    AND (
        NEW.status IS NOT OLD.status
        OR NEW.projectName IS NOT OLD.projectName
        OR NEW.description IS NOT OLD.description
        OR NEW.pid IS NOT OLD.pid
        OR NEW.processName IS NOT OLD.processName
        OR NEW.autoRelease IS NOT OLD.autoRelease
        OR NEW.tags IS NOT OLD.tags
        OR NEW.metadata IS NOT OLD.metadata
    )
BEGIN
    INSERT INTO port_history (port, action, projectName, description, performedAt, details)
    VALUES (
        NEW.number,
        CASE NEW.status WHEN 'free' THEN 'released' ELSE NEW.status END,
        CASE NEW.status WHEN 'free' THEN OLD.projectName ELSE NEW.projectName END,
        CASE NEW.status WHEN 'free' THEN OLD.description ELSE NEW.description END,
        max(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), coalesce((SELECT max(performedAt) FROM port_history WHERE port = NEW.number), '')),
        CASE
            WHEN OLD.status <> 'free' AND NEW.status <> 'free' AND NEW.projectName IS NOT OLD.projectName
            THEN json_object(
                'reason', 'handed over by another writer', 'previousProject', OLD.projectName
            )
            ELSE json_object('reason', 'updated by another writer')
        END
    );
END;

-- Rows above lastHistoryId come from track_port_deletes, when recursive_triggers made the REPLACE fire
-- it: its release and this INSERT are one change. The timestamps are rewritten here and last, since the
-- UPDATE fires forget_replaced_port, and SQLite promises no order between two triggers of one event.

CREATE TRIGGER track_port_inserts
AFTER INSERT ON ports
BEGIN
    DELETE FROM port_history
    WHERE port = NEW.number
        AND id > (SELECT lastHistoryId FROM replaced_ports WHERE number = NEW.number);
    INSERT INTO port_history (port, action, projectName, description, performedAt, details)
    SELECT
        NEW.number,
        CASE NEW.status WHEN 'free' THEN 'released' ELSE NEW.status END,
        CASE NEW.status WHEN 'free' THEN old.projectName ELSE NEW.projectName END,
        CASE NEW.status WHEN 'free' THEN old.description ELSE NEW.description END,
        max(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), coalesce((SELECT max(performedAt) FROM port_history WHERE port = NEW.number), '')),
        CASE
            WHEN old.number IS NULL THEN json_object('reason', 'inserted by another writer')
            WHEN old.status <> 'free' AND NEW.status <> 'free' AND NEW.projectName IS NOT old.projectName
            THEN json_object(
                'reason', 'handed over by another writer', 'previousProject', old.projectName
            )
            ELSE json_object('reason', 'replaced by another writer')
        END
    FROM (SELECT 1)
    LEFT JOIN replaced_ports old ON old.number = NEW.number
    WHERE (coalesce(old.status, 'free') <> 'free' OR NEW.status <> 'free')
        AND (
            NEW.status IS NOT old.status
            OR NEW.projectName IS NOT old.projectName
            OR NEW.description IS NOT old.description
            OR NEW.pid IS NOT old.pid
            OR NEW.processName IS NOT old.processName
            OR NEW.autoRelease IS NOT old.autoRelease
            OR NEW.tags IS NOT old.tags
            OR NEW.metadata IS NOT old.metadata
        );
    DELETE FROM leases
    WHERE port = NEW.number
        AND (
            NEW.status = 'free'
            OR NOT EXISTS (
                SELECT 1 FROM replaced_ports
                WHERE number = NEW.number AND status <> 'free' AND projectName = NEW.projectName
            )
        );
    DELETE FROM replaced_ports WHERE number = NEW.number;
    UPDATE ports SET
        reservedAt = strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt),
        lastSeenAt = strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt),
        updatedAt = strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt)
    WHERE number = NEW.number
        AND (
            reservedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt)
            OR lastSeenAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt)
            OR updatedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt)
        );
END;

CREATE TRIGGER track_port_deletes
AFTER DELETE ON ports
WHEN OLD.status <> 'free' AND OLD.number BETWEEN 1 AND 65535
BEGIN
    INSERT INTO port_history (port, action, projectName, description, performedAt, details)
    VALUES (
        OLD.number, 'released', OLD.projectName, OLD.description,
        max(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), coalesce((SELECT max(performedAt) FROM port_history WHERE port = OLD.number), '')),
        json_object('reason', 'deleted by another writer')
    );
END;

-- A lease belongs to one claim. Left behind, it would end the next owner's claim when the last owner's
-- process dies, and its foreign key would keep the row from being deleted.

CREATE TRIGGER end_lease_of_changed_port
AFTER UPDATE OF status, projectName ON ports
WHEN NEW.status = 'free' OR NEW.projectName IS NOT OLD.projectName
BEGIN
    DELETE FROM leases WHERE port = NEW.number;
END;

CREATE TRIGGER end_lease_of_deleted_port
BEFORE DELETE ON ports
BEGIN
    DELETE FROM leases WHERE port = OLD.number;
END;

-- The documented trigger, which runs for every UPDATE, its own included. An updatedAt that the writer
-- sets is kept. A rewrite of a timestamp into the stored form is no modification.

CREATE TRIGGER update_ports_timestamp
AFTER UPDATE OF
    number, projectName, description, status, pid, processName, reservedAt, lastSeenAt, autoRelease,
    tags, metadata
ON ports
WHEN NEW.updatedAt IS OLD.updatedAt
    AND NOT (
        (NEW.reservedAt IS NOT OLD.reservedAt OR NEW.lastSeenAt IS NOT OLD.lastSeenAt)
        AND NEW.reservedAt IS strftime('%Y-%m-%dT%H:%M:%SZ', OLD.reservedAt)
        AND NEW.lastSeenAt IS strftime('%Y-%m-%dT%H:%M:%SZ', OLD.lastSeenAt)
    )
BEGIN
    UPDATE ports SET updatedAt = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE number = NEW.number;
END;

-- The documented tables check nothing but the status. Port 70000 or broken JSON, once stored, breaks
-- every reader: one bad `tags` fails each json_each over the table. Updates are checked only where the
-- column changes, so that a bad value of an adopted row does not keep its other columns from changing.

CREATE TRIGGER validate_inserted_port
BEFORE INSERT ON ports
BEGIN
    SELECT CASE
        WHEN typeof(NEW.number) <> 'integer' OR NEW.number NOT BETWEEN 1 AND 65535
        THEN RAISE(ABORT, 'number must be an integer from 1 to 65535')
        WHEN typeof(NEW.projectName) <> 'text' OR trim(NEW.projectName, char(9, 10, 11, 12, 13, 32)) = ''
        THEN RAISE(ABORT, 'projectName must be a text that is not blank')
        WHEN typeof(NEW.description) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'description must be a text or NULL')
        WHEN typeof(NEW.pid) NOT IN ('integer', 'null') OR NEW.pid NOT BETWEEN 0 AND 4294967295
        THEN RAISE(ABORT, 'pid must be an integer from 0 to 4294967295 or NULL')
        WHEN typeof(NEW.processName) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'processName must be a text or NULL')
        WHEN strftime('%s', NEW.reservedAt) IS NULL
        THEN RAISE(ABORT, 'reservedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN NEW.lastSeenAt IS NOT NULL AND strftime('%s', NEW.lastSeenAt) IS NULL
        THEN RAISE(ABORT, 'lastSeenAt must be NULL or a date and time such as 2024-01-20T10:30:00Z')
        WHEN strftime('%s', NEW.updatedAt) IS NULL
        THEN RAISE(ABORT, 'updatedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN NEW.autoRelease IS NOT NULL AND NEW.autoRelease NOT IN (0, 1)
        THEN RAISE(ABORT, 'autoRelease must be 0, 1 or NULL')
        WHEN CASE
            WHEN NEW.tags IS NULL THEN 0
            WHEN typeof(NEW.tags) <> 'text' THEN 1
            WHEN json_valid(NEW.tags) THEN json_type(NEW.tags) <> 'array'
            ELSE 1
        END
        THEN RAISE(ABORT, 'tags must be a JSON array or NULL')
        WHEN CASE
            WHEN NEW.metadata IS NULL THEN 0
            WHEN typeof(NEW.metadata) <> 'text' THEN 1
            WHEN json_valid(NEW.metadata) THEN json_type(NEW.metadata) <> 'object'
            ELSE 1
        END
        THEN RAISE(ABORT, 'metadata must be a JSON object or NULL')
    END;
END;

-- The number is the identity that history and leases refer to; a row that moves would leave both behind
-- under its old number.

CREATE TRIGGER validate_updated_port
BEFORE UPDATE ON ports
BEGIN
    SELECT CASE
        WHEN NEW.number IS NOT OLD.number
        THEN RAISE(ABORT, 'number of a row must not change; release the port and reserve the other one')
        WHEN NEW.projectName IS NOT OLD.projectName
            AND (
                typeof(NEW.projectName) <> 'text'
                OR trim(NEW.projectName, char(9, 10, 11, 12, 13, 32)) = ''
            )
        THEN RAISE(ABORT, 'projectName must be a text that is not blank')
        WHEN NEW.description IS NOT OLD.description AND typeof(NEW.description) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'description must be a text or NULL')
        WHEN NEW.pid IS NOT OLD.pid
            AND (typeof(NEW.pid) NOT IN ('integer', 'null') OR NEW.pid NOT BETWEEN 0 AND 4294967295)
        THEN RAISE(ABORT, 'pid must be an integer from 0 to 4294967295 or NULL')
        WHEN NEW.processName IS NOT OLD.processName AND typeof(NEW.processName) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'processName must be a text or NULL')
        WHEN NEW.reservedAt IS NOT OLD.reservedAt AND strftime('%s', NEW.reservedAt) IS NULL
        THEN RAISE(ABORT, 'reservedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN NEW.lastSeenAt IS NOT OLD.lastSeenAt
            AND NEW.lastSeenAt IS NOT NULL AND strftime('%s', NEW.lastSeenAt) IS NULL
        THEN RAISE(ABORT, 'lastSeenAt must be NULL or a date and time such as 2024-01-20T10:30:00Z')
        WHEN NEW.updatedAt IS NOT OLD.updatedAt AND strftime('%s', NEW.updatedAt) IS NULL
        THEN RAISE(ABORT, 'updatedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN NEW.autoRelease IS NOT OLD.autoRelease
            AND NEW.autoRelease IS NOT NULL AND NEW.autoRelease NOT IN (0, 1)
        THEN RAISE(ABORT, 'autoRelease must be 0, 1 or NULL')
        WHEN CASE
            WHEN NEW.tags IS NULL OR NEW.tags IS OLD.tags THEN 0
            WHEN typeof(NEW.tags) <> 'text' THEN 1
            WHEN json_valid(NEW.tags) THEN json_type(NEW.tags) <> 'array'
            ELSE 1
        END
        THEN RAISE(ABORT, 'tags must be a JSON array or NULL')
        WHEN CASE
            WHEN NEW.metadata IS NULL OR NEW.metadata IS OLD.metadata THEN 0
            WHEN typeof(NEW.metadata) <> 'text' THEN 1
            WHEN json_valid(NEW.metadata) THEN json_type(NEW.metadata) <> 'object'
            ELSE 1
        END
        THEN RAISE(ABORT, 'metadata must be a JSON object or NULL')
    END;
END;

-- A port 70000 of an adopted row has a history as long as the row is there, or it could not be released.

CREATE TRIGGER validate_inserted_history
BEFORE INSERT ON port_history
BEGIN
    SELECT CASE
        WHEN (typeof(NEW.port) <> 'integer' OR NEW.port NOT BETWEEN 1 AND 65535)
            AND NOT EXISTS (SELECT 1 FROM ports WHERE number = NEW.port)
        THEN RAISE(ABORT, 'port must be an integer from 1 to 65535')
        WHEN typeof(NEW.projectName) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'projectName must be a text or NULL')
        WHEN typeof(NEW.description) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'description must be a text or NULL')
        WHEN typeof(NEW.performedBy) NOT IN ('text', 'null')
        THEN RAISE(ABORT, 'performedBy must be a text or NULL')
        WHEN strftime('%s', NEW.performedAt) IS NULL
        THEN RAISE(ABORT, 'performedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN CASE
            WHEN NEW.details IS NULL THEN 0
            WHEN typeof(NEW.details) <> 'text' THEN 1
            WHEN json_valid(NEW.details) THEN json_type(NEW.details) <> 'object'
            ELSE 1
        END
        THEN RAISE(ABORT, 'details must be a JSON object or NULL')
    END;
END;

CREATE TRIGGER validate_updated_history
BEFORE UPDATE ON port_history
BEGIN
    SELECT CASE
        WHEN NEW.port IS NOT OLD.port
            AND (typeof(NEW.port) <> 'integer' OR NEW.port NOT BETWEEN 1 AND 65535)
        THEN RAISE(ABORT, 'port must be an integer from 1 to 65535')
        WHEN NEW.performedAt IS NOT OLD.performedAt AND strftime('%s', NEW.performedAt) IS NULL
        THEN RAISE(ABORT, 'performedAt must be a date and time such as 2024-01-20T10:30:00Z')
        WHEN CASE
            WHEN NEW.details IS NULL OR NEW.details IS OLD.details THEN 0
            WHEN typeof(NEW.details) <> 'text' THEN 1
            WHEN json_valid(NEW.details) THEN json_type(NEW.details) <> 'object'
            ELSE 1
        END
        THEN RAISE(ABORT, 'details must be a JSON object or NULL')
    END;
END;

-- Foreign rows take the one stored form, or text order would stop being time order with the first row
-- that a default of datetime('now') fills. Each guard is false for what its own UPDATE writes, so that
-- they end under recursive_triggers. What cannot be read is left as it is in tables without a check.

CREATE TRIGGER normalise_reserved_at
AFTER UPDATE OF reservedAt ON ports
WHEN NEW.reservedAt IS NOT OLD.reservedAt
    AND NEW.reservedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', NEW.reservedAt)
BEGIN
    UPDATE ports SET reservedAt = strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt) WHERE number = NEW.number;
END;

CREATE TRIGGER normalise_last_seen_at
AFTER UPDATE OF lastSeenAt ON ports
WHEN NEW.lastSeenAt IS NOT OLD.lastSeenAt
    AND NEW.lastSeenAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', NEW.lastSeenAt)
BEGIN
    UPDATE ports SET lastSeenAt = strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt) WHERE number = NEW.number;
END;

CREATE TRIGGER normalise_updated_at
AFTER UPDATE OF updatedAt ON ports
WHEN NEW.updatedAt IS NOT OLD.updatedAt
    AND NEW.updatedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', NEW.updatedAt)
BEGIN
    UPDATE ports SET updatedAt = strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt) WHERE number = NEW.number;
END;

CREATE TRIGGER normalise_inserted_history
AFTER INSERT ON port_history
WHEN NEW.performedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', NEW.performedAt)
BEGIN
    UPDATE port_history SET performedAt = strftime('%Y-%m-%dT%H:%M:%SZ', performedAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_updated_history
AFTER UPDATE OF performedAt ON port_history
WHEN NEW.performedAt IS NOT OLD.performedAt
    AND NEW.performedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', NEW.performedAt)
BEGIN
    UPDATE port_history SET performedAt = strftime('%Y-%m-%dT%H:%M:%SZ', performedAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_inserted_scan
AFTER INSERT ON active_scans
WHEN NEW.scannedAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.scannedAt), NEW.scannedAt)
BEGIN
    UPDATE active_scans SET scannedAt = strftime('%Y-%m-%dT%H:%M:%SZ', scannedAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_updated_scan
AFTER UPDATE OF scannedAt ON active_scans
WHEN NEW.scannedAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.scannedAt), NEW.scannedAt)
BEGIN
    UPDATE active_scans SET scannedAt = strftime('%Y-%m-%dT%H:%M:%SZ', scannedAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_inserted_configuration
AFTER INSERT ON configurations
WHEN NEW.createdAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.createdAt), NEW.createdAt)
BEGIN
    UPDATE configurations SET createdAt = strftime('%Y-%m-%dT%H:%M:%SZ', createdAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_updated_configuration
AFTER UPDATE OF createdAt ON configurations
WHEN NEW.createdAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.createdAt), NEW.createdAt)
BEGIN
    UPDATE configurations SET createdAt = strftime('%Y-%m-%dT%H:%M:%SZ', createdAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_inserted_migration
AFTER INSERT ON migrations
WHEN NEW.appliedAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.appliedAt), NEW.appliedAt)
BEGIN
    UPDATE migrations SET appliedAt = strftime('%Y-%m-%dT%H:%M:%SZ', appliedAt) WHERE id = NEW.id;
END;

CREATE TRIGGER normalise_updated_migration
AFTER UPDATE OF appliedAt ON migrations
WHEN NEW.appliedAt IS NOT coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', NEW.appliedAt), NEW.appliedAt)
BEGIN
    UPDATE migrations SET appliedAt = strftime('%Y-%m-%dT%H:%M:%SZ', appliedAt) WHERE id = NEW.id;
END;
