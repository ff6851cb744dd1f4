-- The cluster as ktizo makes it: settings, secrets, patches, and what a device's own config has beyond them.

ALTER TABLE base_configs ADD COLUMN origin TEXT NOT NULL DEFAULT 'imported' CHECK (origin IN ('generated', 'imported'));

CREATE TABLE cluster_settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- In the form of the config generator, whose settings grow with Talos.
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object'),
    changed_at INTEGER NOT NULL
) STRICT;

-- Every bundle that ever was in use: what is replaced is kept.
CREATE TABLE secrets_bundles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    origin TEXT NOT NULL CHECK (origin IN ('generated', 'imported')),
    made_at INTEGER NOT NULL,
    replaced_at INTEGER
) STRICT;

CREATE UNIQUE INDEX secrets_bundle_in_use ON secrets_bundles ((1)) WHERE replaced_at IS NULL;

CREATE TABLE patches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL CHECK (scope IN ('cluster', 'controlplane', 'worker', 'device')),
    device_id INTEGER REFERENCES devices (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (name <> ''),
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT of_a_device CHECK ((scope = 'device') = (device_id IS NOT NULL))
) STRICT;

-- No two of one scope have the same name; the names are the order in which they are applied.
CREATE UNIQUE INDEX patches_by_name ON patches (scope, coalesce(device_id, 0), name);
CREATE INDEX patches_by_device ON patches (device_id) WHERE device_id IS NOT NULL;

-- What the config of one device has beyond the columns of its row, absent while all is left to the base.
CREATE TABLE device_settings (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object')
) STRICT;

-- The configs that devices have or may have: the one last served whole, and those on their way.
CREATE TABLE served_configs (
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    bytes BLOB NOT NULL,
    PRIMARY KEY (device_id, sha256)
) STRICT;
