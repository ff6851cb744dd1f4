-- The cards of a device beside the one it was first seen with. A card that no person confirmed gets no config.
CREATE TABLE device_macs (
    mac TEXT PRIMARY KEY
        CHECK (mac GLOB '[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]'),
    device_id INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    first_seen_at INTEGER NOT NULL,
    confirmed_at INTEGER
) STRICT;

CREATE INDEX device_macs_by_device ON device_macs (device_id);

-- No card is in two devices.
CREATE TRIGGER a_new_device_has_its_own_card BEFORE INSERT ON devices
WHEN EXISTS (SELECT 1 FROM device_macs WHERE mac = new.mac AND device_id IS NOT new.id)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

CREATE TRIGGER a_changed_device_has_its_own_card BEFORE UPDATE OF mac ON devices
WHEN EXISTS (SELECT 1 FROM device_macs WHERE mac = new.mac AND device_id <> new.id)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

CREATE TRIGGER another_card_is_no_first_card BEFORE INSERT ON device_macs
WHEN EXISTS (SELECT 1 FROM devices WHERE mac = new.mac)
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: devices.mac');
END;

-- Of what it cannot be told who a device is.
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

-- UUIDs of which a person said that they are on several boards.
CREATE TABLE shared_uuids (
    uuid TEXT PRIMARY KEY,
    decided_by TEXT NOT NULL,
    decided_at INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_by_uuid ON devices (uuid) WHERE uuid IS NOT NULL;

-- Whether UUID and serial are what its own iPXE read, rather than what a DHCP request claimed. Only iPXE tells of a vendor.
ALTER TABLE devices ADD COLUMN identified INTEGER NOT NULL DEFAULT 0 CHECK (identified IN (0, 1));
UPDATE devices SET identified = 1 WHERE serial IS NOT NULL OR vendor IS NOT NULL;
