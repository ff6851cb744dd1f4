-- Lists of thousands of devices: those that need a person, and two orders that are computed.
CREATE INDEX devices_that_failed ON devices (id) WHERE install ->> '$.state' = 'failed';
CREATE INDEX devices_awaiting_a_word ON devices (id) WHERE wipe ->> '$.state' IN ('asked', 'spent');
CREATE INDEX devices_by_name ON devices (coalesce(hostname, ''), id);
CREATE INDEX devices_by_address ON devices (
    coalesce(
        (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[0]') << 24)
        + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[1]') << 16)
        + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[2]') << 8)
        + json_extract('[' || replace(ip_address, '.', ',') || ']', '$[3]'), -1),
    id);
