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

CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    authority TEXT NOT NULL CHECK (authority IN ('viewer', 'operator', 'admin')),
    token_sha256 TEXT NOT NULL UNIQUE CHECK (length(token_sha256) = 64),
    made_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;

-- The one set-up link that is good at a time.
CREATE TABLE set_up_links (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    token_sha256 TEXT NOT NULL CHECK (length(token_sha256) = 64),
    expires_at INTEGER NOT NULL
) STRICT;

-- From where a person did it.
ALTER TABLE events ADD COLUMN came_from TEXT;
-- Fields before and after.
ALTER TABLE events ADD COLUMN changes TEXT CHECK (json_valid(changes));

-- What a person did stays, and stays as it was written.
CREATE TRIGGER events_of_persons_stay BEFORE DELETE ON events WHEN old.actor GLOB 'person:*'
BEGIN
    SELECT RAISE(ABORT, 'what a person did is never deleted');
END;

CREATE TRIGGER events_are_not_rewritten BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;
