-- The database as all migrations leave it; a test keeps this file equal to that.

CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    authority TEXT NOT NULL CHECK (authority IN ('viewer', 'operator', 'admin')),
    token_sha256 TEXT NOT NULL UNIQUE CHECK (length(token_sha256) = 64),
    made_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
, maker_id INTEGER REFERENCES users (id) ON DELETE CASCADE, ended_at INTEGER) STRICT;

CREATE INDEX api_tokens_by_maker ON api_tokens (maker_id);

CREATE TABLE assets (
    version TEXT NOT NULL,
    arch TEXT NOT NULL,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    imported_at INTEGER NOT NULL,
    PRIMARY KEY (version, arch, kind)
) STRICT;

CREATE TABLE base_configs (
    role TEXT PRIMARY KEY CHECK (role IN ('controlplane', 'worker')),
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    imported_at INTEGER NOT NULL
, origin TEXT NOT NULL DEFAULT 'imported' CHECK (origin IN ('generated', 'imported'))) STRICT;

CREATE TABLE boot_stages (
    id INTEGER PRIMARY KEY,
    boot_id INTEGER NOT NULL REFERENCES boots (id) ON DELETE CASCADE,
    stage TEXT NOT NULL CHECK (stage <> ''),
    began_at INTEGER NOT NULL,
    duration_us INTEGER CHECK (duration_us >= 0),
    bytes INTEGER CHECK (bytes >= 0),
    retries INTEGER CHECK (retries >= 0),
    peer TEXT,
    outcome TEXT NOT NULL CHECK (outcome <> ''),
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX boot_stages_by_boot ON boot_stages (boot_id);

CREATE TABLE boots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    began_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    furthest TEXT NOT NULL CHECK (furthest <> ''),
    left_at INTEGER
, number INTEGER NOT NULL DEFAULT 0, standing TEXT CHECK (standing <> '')) STRICT;

CREATE INDEX boots_by_device ON boots (device_id);

CREATE INDEX boots_by_standing ON boots (standing, last_at) WHERE standing IS NOT NULL;

CREATE TABLE cluster_settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- In the form of the config generator, whose settings grow with Talos.
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object'),
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE config_tokens (
    -- One at a time: what a later boot script carries puts the one before out of force.
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    -- Of the token in the URL; the token itself is kept nowhere.
    token_sha256 TEXT NOT NULL CHECK (length(token_sha256) = 64),
    boot_id INTEGER REFERENCES boots (id) ON DELETE SET NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    fetches INTEGER NOT NULL DEFAULT 0 CHECK (fetches >= 0)
) STRICT;

CREATE INDEX config_tokens_by_boot ON config_tokens (boot_id);

CREATE TABLE conflicts (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind <> ''),
    mac TEXT NOT NULL,
    uuid TEXT,
    serial TEXT,
    with_device INTEGER REFERENCES devices (id) ON DELETE CASCADE,
    since_at INTEGER NOT NULL,
    -- When a person said that the device is the one that was known.
    kept_at INTEGER
) STRICT;

CREATE INDEX conflicts_by_other ON conflicts (with_device);

CREATE TABLE device_configs (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('controlplane', 'worker')),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    generated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    -- Last, so that a list of fingerprints need not walk through it.
    bytes BLOB NOT NULL
) STRICT;

CREATE INDEX device_configs_by_revision ON device_configs (revision);

CREATE TRIGGER another_card_is_no_first_card BEFORE INSERT ON device_macs
WHEN EXISTS (SELECT 1 FROM devices WHERE mac = new.mac)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

CREATE TABLE device_macs (
    mac TEXT PRIMARY KEY
        CHECK (mac GLOB '[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]'),
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    first_seen_at INTEGER NOT NULL,
    confirmed_at INTEGER
) STRICT;

CREATE INDEX device_macs_by_device ON device_macs (device_id);

CREATE TABLE device_settings (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object')
) STRICT;

CREATE TRIGGER a_changed_device_has_its_own_card BEFORE UPDATE OF mac ON devices
WHEN EXISTS (SELECT 1 FROM device_macs WHERE mac = new.mac AND device_id <> new.id)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

CREATE TRIGGER a_new_device_has_its_own_card BEFORE INSERT ON devices
WHEN EXISTS (SELECT 1 FROM device_macs WHERE mac = new.mac AND device_id IS NOT new.id)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

CREATE TABLE devices (
    -- AUTOINCREMENT: an event names its device for ever, so a number is never given twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mac TEXT NOT NULL UNIQUE
        CHECK (mac GLOB '[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]'),
    hostname TEXT UNIQUE CHECK (length(hostname) BETWEEN 1 AND 63 AND hostname NOT GLOB '*[^a-z0-9-]*'),
    ip_address TEXT UNIQUE CHECK (ip_address GLOB '[0-9]*.[0-9]*.[0-9]*.[0-9]*'),
    role TEXT CHECK (role IN ('controlplane', 'worker')),
    status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    decided_by TEXT,
    decided_at INTEGER,
    boot_order TEXT NOT NULL CHECK (boot_order <> ''),
    notes TEXT NOT NULL,
    install_disk TEXT,
    ephemeral_min_size TEXT,
    ephemeral_max_size TEXT,
    ephemeral_disk_selector TEXT,
    local_boot TEXT NOT NULL CHECK (local_boot <> ''),
    loader TEXT,
    arch TEXT,
    firmware TEXT,
    uuid TEXT,
    serial TEXT,
    vendor TEXT,
    model TEXT,
    first_seen_at INTEGER,
    last_seen_at INTEGER,
    last_config_download_at INTEGER,
    config_released_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- A person has had a hand in it: it is never forgotten to make room.
    kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
    -- Of the config last served whole.
    served_sha256 TEXT CHECK (length(served_sha256) = 64),
    -- Transfers of its config that began since the present order and have not ended as far as is known.
    config_transfers INTEGER NOT NULL DEFAULT 0 CHECK (config_transfers >= 0),
    -- Whether its config was served whole since the present order.
    config_delivered INTEGER NOT NULL DEFAULT 0 CHECK (config_delivered IN (0, 1)), labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object'), install TEXT NOT NULL DEFAULT '{"state":"waiting"}' CHECK (json_type(install, '$.state') = 'text'), wipe TEXT NOT NULL DEFAULT '{"state":"none"}' CHECK (json_type(wipe, '$.state') = 'text'), identified INTEGER NOT NULL DEFAULT 0 CHECK (identified IN (0, 1)),
    CONSTRAINT decision CHECK ((status = 'pending') = (decided_at IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT approved_is_whole
        CHECK (status <> 'approved' OR (hostname IS NOT NULL AND ip_address IS NOT NULL AND role IS NOT NULL))
) STRICT;

CREATE INDEX devices_awaiting_a_word ON devices (id) WHERE wipe ->> '$.state' IN ('asked', 'spent');

CREATE INDEX devices_by_address ON devices (
    coalesce(
        (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[0]') << 24)
        + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[1]') << 16)
        + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[2]') << 8)
        + json_extract('[' || replace(ip_address, '.', ',') || ']', '$[3]'), -1),
    id);

CREATE INDEX devices_by_name ON devices (coalesce(hostname, ''), id);

CREATE INDEX devices_by_status ON devices (status);

CREATE INDEX devices_by_uuid ON devices (uuid) WHERE uuid IS NOT NULL;

CREATE INDEX devices_forgettable ON devices (last_seen_at) WHERE status = 'pending' AND kept = 0;

CREATE INDEX devices_owing_proof ON devices (id) WHERE install ->> '$.state' = 'begun';

CREATE INDEX devices_that_failed ON devices (id) WHERE install ->> '$.state' = 'failed';

CREATE INDEX devices_to_be_wiped ON devices (id) WHERE wipe ->> '$.state' IN ('asked', 'ordered');

CREATE INDEX devices_waiting ON devices (coalesce(last_seen_at, -1), id) WHERE status = 'pending';

CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE id = new.id)
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER events_are_not_rewritten BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER events_of_persons_stay BEFORE DELETE ON events WHEN old.actor GLOB 'person:*'
BEGIN
    SELECT RAISE(ABORT, 'what a person did is never deleted');
END;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL,
    actor TEXT NOT NULL CHECK (actor = 'system' OR actor GLOB 'person:*' OR actor GLOB 'device:*'),
    -- No foreign key: an event outlives its device.
    device_id INTEGER,
    mac TEXT,
    kind TEXT NOT NULL CHECK (kind <> ''),
    what TEXT NOT NULL CHECK (json_valid(what))
, came_from TEXT, changes TEXT CHECK (json_valid(changes))) STRICT;

CREATE INDEX events_by_device ON events (device_id);

CREATE INDEX events_by_kind ON events (kind);

CREATE INDEX events_of_machines ON events (id) WHERE actor NOT GLOB 'person:*';

CREATE INDEX events_of_persons ON events (id) WHERE actor GLOB 'person:*';

CREATE TABLE kernel_lines (
    -- AUTOINCREMENT: a reader goes on after the last line it has.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id INTEGER NOT NULL REFERENCES kernel_logs (boot_id) ON DELETE CASCADE,
    heard_at INTEGER NOT NULL,
    said_at INTEGER,
    sequence INTEGER NOT NULL,
    clock_us INTEGER NOT NULL,
    level TEXT NOT NULL CHECK (level <> ''),
    facility TEXT NOT NULL,
    priority TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX kernel_lines_by_boot ON kernel_lines (boot_id);

CREATE TABLE kernel_logs (
    boot_id INTEGER PRIMARY KEY REFERENCES boots (id) ON DELETE CASCADE,
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- Of what is kept.
    lines INTEGER NOT NULL CHECK (lines >= 0),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    -- How many lines were kept and are not any more.
    dropped INTEGER NOT NULL CHECK (dropped >= 0),
    last_at INTEGER NOT NULL
) STRICT;

CREATE INDEX kernel_logs_by_device ON kernel_logs (device_id);

CREATE INDEX kernel_logs_by_last ON kernel_logs (last_at);

CREATE TABLE network_settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    strict_boot_mode INTEGER NOT NULL CHECK (strict_boot_mode IN (0, 1)),
    hold_limit_seconds INTEGER NOT NULL CHECK (hold_limit_seconds >= 0),
    menu_seconds INTEGER NOT NULL CHECK (menu_seconds >= 0),
    node_subnet TEXT,
    gateway TEXT,
    nameservers TEXT NOT NULL CHECK (json_type(nameservers) = 'array'),
    server_address TEXT,
    talos_version TEXT,
    payload TEXT NOT NULL CHECK (payload <> ''),
    extra_kernel_args TEXT NOT NULL CHECK (json_type(extra_kernel_args) = 'array')
, reports INTEGER NOT NULL DEFAULT 1 CHECK (reports IN (0, 1)), install_attempts INTEGER NOT NULL DEFAULT 3 CHECK (install_attempts >= 1), proof_limit_seconds INTEGER NOT NULL DEFAULT 1200 CHECK (proof_limit_seconds >= 0), config_release TEXT NOT NULL DEFAULT 'token' CHECK (config_release <> ''), firmware TEXT NOT NULL DEFAULT '{}' CHECK (json_type(firmware) = 'object')) STRICT;

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

CREATE INDEX patches_by_device ON patches (device_id) WHERE device_id IS NOT NULL;

CREATE UNIQUE INDEX patches_by_name ON patches (scope, coalesce(device_id, 0), name);

CREATE TABLE revisions (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE secrets_bundles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    origin TEXT NOT NULL CHECK (origin IN ('generated', 'imported')),
    made_at INTEGER NOT NULL,
    replaced_at INTEGER
) STRICT;

CREATE UNIQUE INDEX secrets_bundle_in_use ON secrets_bundles ((1)) WHERE replaced_at IS NULL;

CREATE TABLE served_configs (
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    bytes BLOB NOT NULL,
    PRIMARY KEY (device_id, sha256)
) STRICT;

CREATE TABLE sessions (
    -- Of the token in the cookie; the token itself is kept nowhere.
    token_sha256 TEXT PRIMARY KEY CHECK (length(token_sha256) = 64),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    came_from TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE set_up_links (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    token_sha256 TEXT NOT NULL CHECK (length(token_sha256) = 64),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE shared_uuids (
    uuid TEXT PRIMARY KEY,
    decided_by TEXT NOT NULL,
    decided_at INTEGER NOT NULL
) STRICT;

CREATE TABLE testimonies (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    testimony TEXT NOT NULL CHECK (json_type(testimony) = 'object')
) STRICT;

CREATE TABLE users (
    -- AUTOINCREMENT: events name their actor for ever, so a number is never given twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    authority TEXT NOT NULL CHECK (authority IN ('viewer', 'operator', 'admin')),
    -- In the PHC string format, with its salt and cost.
    password_hash TEXT NOT NULL CHECK (password_hash GLOB '$argon2id$*'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_sign_in_at INTEGER
) STRICT;
