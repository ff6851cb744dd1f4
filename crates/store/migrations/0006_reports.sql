-- What machines tell of themselves.

-- All a machine has told, as it is to be taken up again after a restart.
CREATE TABLE testimonies (
    device_id INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    testimony TEXT NOT NULL CHECK (json_type(testimony) = 'object')
) STRICT;

-- One kernel log for each boot in which one was heard.
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
