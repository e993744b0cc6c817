internal import CacheModel
internal import GRDB

/// The tables.
///
/// Migrations are append-only: a released one is never edited.
enum Schema {
    /// `Tarn` as a big-endian number, in the header of every database.
    static let applicationID: Int32 = 0x5461_726e
    /// The newest schema this program knows.
    static let version = 6

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1-first") { database in
            try database.execute(sql: self.first)
            try database.execute(sql: "PRAGMA application_id = \(self.applicationID)")
            try database.execute(sql: "PRAGMA user_version = 1")
        }
        migrator.registerMigration("2-prefixes") { database in
            try PrefixIndex.create(in: database)
            try database.execute(sql: "PRAGMA user_version = 2")
        }
        migrator.registerMigration("3-tokens") { database in
            try database.execute(sql: TokenRow.table)
            try database.execute(sql: "PRAGMA user_version = 3")
        }
        migrator.registerMigration("4-audit") { database in
            try database.execute(sql: self.audit)
            try database.execute(sql: "PRAGMA user_version = 4")
        }
        migrator.registerMigration("5-scopes") { database in
            try UnprotectedBytes.create(in: database)
            try database.execute(sql: "PRAGMA user_version = 5")
        }
        migrator.registerMigration("6-entry-counts") { database in
            try database.execute(sql: self.entryCounts)
            try database.execute(sql: "PRAGMA user_version = 6")
        }
        return migrator
    }

    /// Refuses databases of other programs and of newer versions.
    static func check(_ database: Database, path: String) throws {
        let id = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        // The migrator's own table comes before the first migration: a crash may leave it alone in the file.
        let sql = "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> 'grdb_migrations'"
        let tables = try Int.fetchOne(database, sql: sql) ?? 0
        guard id == self.applicationID || (id == 0 && version == 0 && tables == 0) else {
            throw CacheError(
                .invalidRequest,
                "\(path) is a database of another program (application id \(id)); choose another data folder"
            )
        }
        guard version <= self.version else {
            throw CacheError(
                .invalidRequest,
                "\(path) has schema version \(version), this program knows up to \(self.version); upgrade tarnd"
            )
        }
    }

    /// Refuses an empty database where nothing may be created.
    static func requireTables(_ database: Database, path: String) throws {
        guard try database.tableExists("totals") else {
            throw CacheError(
                .invalidRequest,
                "\(path) has no tables yet; start tarnd once, or choose another data folder"
            )
        }
    }

    /// `projects.entries`: the rows of each project in `entries`, removed ones included.
    private static let entryCounts = """
        ALTER TABLE projects ADD COLUMN entries INTEGER NOT NULL DEFAULT 0 CHECK (entries >= 0);
        UPDATE projects SET entries = (SELECT count(*) FROM entries WHERE project = projects.id);
        CREATE INDEX projects_by_entries ON projects (entries);
        CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
            UPDATE projects SET entries = entries + 1 WHERE id = new.project;
        END;
        CREATE TRIGGER entries_forgotten AFTER DELETE ON entries BEGIN
            UPDATE projects SET entries = entries - 1 WHERE id = old.project;
        END;
        """

    private static let first = """
        CREATE TABLE totals (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            used_bytes INTEGER NOT NULL DEFAULT 0,
            live_bytes INTEGER NOT NULL DEFAULT 0,
            small_bytes INTEGER NOT NULL DEFAULT 0,
            large_bytes INTEGER NOT NULL DEFAULT 0,
            small_limit INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE projects (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            live_bytes INTEGER NOT NULL DEFAULT 0,
            small_bytes INTEGER NOT NULL DEFAULT 0,
            large_bytes INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX projects_by_bytes ON projects (live_bytes);

        CREATE TABLE blobs (
            id INTEGER PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            encoding INTEGER NOT NULL CHECK (encoding IN (0, 1)),
            size INTEGER NOT NULL CHECK (size >= 0),
            stored_size INTEGER NOT NULL CHECK (stored_size >= 0),
            state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
            generation INTEGER NOT NULL DEFAULT 1,
            refs INTEGER NOT NULL DEFAULT 0 CHECK (refs >= 0),
            live INTEGER NOT NULL DEFAULT 0 CHECK (live BETWEEN 0 AND refs),
            pins INTEGER NOT NULL DEFAULT 0 CHECK (pins >= 0)
        ) STRICT;
        CREATE INDEX blobs_unused ON blobs (id) WHERE refs = 0 AND pins = 0 AND state <> 1;
        CREATE INDEX blobs_condemned ON blobs (id) WHERE state = 1;

        CREATE TABLE project_blobs (
            project INTEGER NOT NULL REFERENCES projects (id),
            blob INTEGER NOT NULL REFERENCES blobs (id),
            refs INTEGER NOT NULL CHECK (refs > 0),
            live INTEGER NOT NULL CHECK (live BETWEEN 0 AND refs),
            PRIMARY KEY (project, blob)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX project_blobs_by_blob ON project_blobs (blob);

        CREATE TABLE layers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            project INTEGER NOT NULL REFERENCES projects (id),
            recipe BLOB NOT NULL CHECK (length(recipe) = 32),
            tree BLOB NOT NULL CHECK (length(tree) = 32),
            stamps BLOB NOT NULL CHECK (length(stamps) = 32),
            path TEXT NOT NULL,
            anchor TEXT NOT NULL,
            size INTEGER NOT NULL,
            members INTEGER NOT NULL,
            chunks INTEGER NOT NULL,
            entries INTEGER NOT NULL DEFAULT 0 CHECK (entries >= 0),
            missing INTEGER NOT NULL DEFAULT 0 CHECK (missing >= 0),
            UNIQUE (project, recipe)
        ) STRICT;
        CREATE INDEX layers_by_tree ON layers (project, tree, id);
        CREATE INDEX layers_idle ON layers (id) WHERE entries = 0;

        CREATE TABLE layer_blobs (
            layer INTEGER NOT NULL REFERENCES layers (id),
            blob INTEGER NOT NULL REFERENCES blobs (id),
            PRIMARY KEY (layer, blob)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX layer_blobs_by_blob ON layer_blobs (blob);

        CREATE TABLE entries (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            project INTEGER NOT NULL REFERENCES projects (id),
            scope TEXT NOT NULL,
            key TEXT NOT NULL,
            template TEXT NOT NULL,
            provenance TEXT NOT NULL,
            record BLOB NOT NULL CHECK (length(record) = 32),
            size INTEGER NOT NULL CHECK (size >= 0),
            size_class INTEGER NOT NULL CHECK (size_class IN (0, 1)),
            created_at INTEGER NOT NULL,
            last_used_at INTEGER NOT NULL,
            expires_at INTEGER,
            is_pinned INTEGER NOT NULL DEFAULT 0 CHECK (is_pinned IN (0, 1)),
            removed_at INTEGER,
            removal_reason TEXT,
            CHECK ((removed_at IS NULL) = (removal_reason IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX entries_by_key ON entries (project, scope, key) WHERE removed_at IS NULL;
        CREATE INDEX entries_visible ON entries (project, scope, key, expires_at, is_pinned) WHERE removed_at IS NULL;
        CREATE INDEX entries_in_project ON entries (project, key, id DESC);
        CREATE INDEX entries_listed ON entries (key, id DESC);
        CREATE INDEX entries_by_template ON entries (project, template, id);
        CREATE INDEX entries_expiring ON entries (expires_at)
            WHERE removed_at IS NULL AND is_pinned = 0 AND expires_at IS NOT NULL;
        CREATE INDEX entries_by_use ON entries (size_class, last_used_at, id)
            WHERE removed_at IS NULL AND is_pinned = 0;
        CREATE INDEX entries_by_project_use ON entries (project, size_class, last_used_at, id)
            WHERE removed_at IS NULL AND is_pinned = 0;
        CREATE INDEX entries_removed ON entries (removed_at, id) WHERE removed_at IS NOT NULL;
        CREATE INDEX entries_project_removed ON entries (project, removed_at, id) WHERE removed_at IS NOT NULL;

        CREATE TABLE entry_layers (
            entry INTEGER NOT NULL REFERENCES entries (id),
            position INTEGER NOT NULL,
            layer INTEGER NOT NULL REFERENCES layers (id),
            path TEXT NOT NULL,
            anchor TEXT NOT NULL,
            stamps BLOB NOT NULL CHECK (length(stamps) = 32),
            PRIMARY KEY (entry, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX entry_layers_by_layer ON entry_layers (layer);

        CREATE TABLE entry_blobs (
            entry INTEGER NOT NULL REFERENCES entries (id),
            blob INTEGER NOT NULL REFERENCES blobs (id),
            PRIMARY KEY (entry, blob)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX entry_blobs_by_blob ON entry_blobs (blob);

        CREATE TABLE sessions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            project INTEGER NOT NULL REFERENCES projects (id),
            name TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            UNIQUE (project, name)
        ) STRICT;
        CREATE INDEX sessions_by_end ON sessions (expires_at);

        CREATE TABLE session_blobs (
            session INTEGER NOT NULL REFERENCES sessions (id),
            blob INTEGER NOT NULL REFERENCES blobs (id),
            PRIMARY KEY (session, blob)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_blobs_by_blob ON session_blobs (blob);

        CREATE TABLE session_layers (
            session INTEGER NOT NULL REFERENCES sessions (id),
            layer INTEGER NOT NULL REFERENCES layers (id),
            PRIMARY KEY (session, layer)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_layers_by_layer ON session_layers (layer);

        CREATE TABLE families (
            project INTEGER NOT NULL REFERENCES projects (id),
            name TEXT NOT NULL,
            exact_hits INTEGER NOT NULL DEFAULT 0,
            prefix_hits INTEGER NOT NULL DEFAULT 0,
            misses INTEGER NOT NULL DEFAULT 0,
            saves INTEGER NOT NULL DEFAULT 0,
            known_saves INTEGER NOT NULL DEFAULT 0,
            bytes_sent INTEGER NOT NULL DEFAULT 0,
            bytes_received INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (project, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE removals (
            project INTEGER NOT NULL REFERENCES projects (id),
            reason TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (project, reason)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            project INTEGER NOT NULL REFERENCES projects (id),
            key TEXT NOT NULL,
            scope TEXT NOT NULL,
            kind TEXT NOT NULL,
            at INTEGER NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;
        CREATE INDEX events_by_key ON events (project, key, id);

        INSERT INTO totals (one, small_limit) VALUES (1, 8388608);
        """
}
