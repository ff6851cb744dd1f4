-- How the last boot of a device stands, in the words of the model's BootStanding; NULL where it came to its end, and of every boot
-- before. The pages count by it.
ALTER TABLE boots ADD COLUMN standing TEXT CHECK (standing <> '');

UPDATE boots SET standing = (
    SELECT CASE
        WHEN outcome IN ('failed', 'refused') THEN 'failed'
        WHEN stage IN ('leave', 'restart', 'installed', 'ready') THEN NULL
        WHEN stage IN ('config', 'wipe') AND outcome = 'done' THEN NULL
        WHEN stage = 'maintenance' AND outcome = 'running' THEN 'waits_for_config'
        WHEN left_at = last_at THEN NULL
        WHEN stage = 'hold' AND outcome = 'running' THEN 'waits'
        WHEN stage IN ('start', 'hold') THEN 'may_fall_silent'
        ELSE 'goes'
    END
    FROM boot_stages WHERE boot_id = boots.id ORDER BY boot_stages.id DESC LIMIT 1)
WHERE id IN (SELECT max(id) FROM boots GROUP BY device_id);

CREATE INDEX boots_by_standing ON boots (standing, last_at) WHERE standing IS NOT NULL;

CREATE INDEX devices_waiting ON devices (coalesce(last_seen_at, -1), id) WHERE status = 'pending';
