ALTER TABLE network_settings ADD COLUMN config_release TEXT NOT NULL DEFAULT 'token' CHECK (config_release <> '');

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
