-- How installs and wipes stand, and how an install is proven.

ALTER TABLE devices ADD COLUMN install TEXT NOT NULL DEFAULT '{"state":"waiting"}' CHECK (json_type(install, '$.state') = 'text');
ALTER TABLE devices ADD COLUMN wipe TEXT NOT NULL DEFAULT '{"state":"none"}' CHECK (json_type(wipe, '$.state') = 'text');

-- A config that went out may have become an install; the machine was not told to report.
UPDATE devices
SET install = json_object(
    'state', 'begun', 'attempt', 1, 'since', strftime('%Y-%m-%dT%H:%M:%fZ', config_released_at / 1e6, 'unixepoch'),
    'boot', NULL, 'released', json('true'), 'reports', json('false'))
WHERE config_released_at IS NOT NULL;
UPDATE devices
SET wipe = json_object('state', 'asked', 'at', strftime('%Y-%m-%dT%H:%M:%fZ', wipe_asked_at / 1e6, 'unixepoch'))
WHERE wipe_asked_at IS NOT NULL;
ALTER TABLE devices DROP COLUMN wipe_asked_at;

-- Few wait for something at a time; a look for them must not walk through all.
CREATE INDEX devices_owing_proof ON devices (id) WHERE install ->> '$.state' = 'begun';
CREATE INDEX devices_to_be_wiped ON devices (id) WHERE wipe ->> '$.state' IN ('asked', 'ordered');

ALTER TABLE network_settings ADD COLUMN reports INTEGER NOT NULL DEFAULT 1 CHECK (reports IN (0, 1));
ALTER TABLE network_settings ADD COLUMN install_attempts INTEGER NOT NULL DEFAULT 3 CHECK (install_attempts >= 1);
ALTER TABLE network_settings ADD COLUMN proof_limit_seconds INTEGER NOT NULL DEFAULT 1200 CHECK (proof_limit_seconds >= 0);
