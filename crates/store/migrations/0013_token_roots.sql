-- Whose each API token is, by the events of those who made tokens, which stay for ever: 0012 went by a name alone, which a user of the
-- host or an account added later may have as well, and knew nothing of tokens that tokens made.
CREATE TABLE token_roots AS
WITH RECURSIVE
    made (event, name, actor, came_from) AS (
        SELECT id, json_extract(what, '$.name'), actor, coalesce(came_from, '') FROM events WHERE kind = 'token_made'
    ),
    -- From each token to the one that made it, and on to a person.
    chain (token, event, actor, came_from) AS (
        SELECT api_tokens.id, event, actor, came_from FROM api_tokens JOIN made
            ON event = (SELECT max(own.event) FROM made AS own WHERE own.name = api_tokens.name)
        UNION ALL
        SELECT chain.token, made.event, made.actor, made.came_from FROM chain JOIN made
            ON made.event = (
                SELECT max(own.event) FROM made AS own
                WHERE 'person:token/' || own.name = chain.actor AND own.event < chain.event)
    )
SELECT
    token,
    event,
    actor,
    -- By the socket, or with the token of the state folder.
    actor = 'person:token' OR came_from GLOB 'Unix socket,*' AS on_host
FROM chain WHERE actor NOT GLOB 'person:token/*';

-- An account that was deleted since is not the one that has its name.
UPDATE api_tokens SET maker_id = (
    SELECT users.id FROM token_roots JOIN users ON 'person:' || users.name = token_roots.actor
    WHERE token = api_tokens.id AND NOT on_host AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE kind = 'user_deleted' AND json_extract(what, '$.name') = users.name AND events.id > token_roots.event));

-- Whose nobody is, or of whom nothing is known, goes as it would with its account.
INSERT INTO events (happened_at, actor, kind, what)
SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER), 'system', 'token_revoked', json_object('kind', 'token_revoked', 'name', name)
FROM api_tokens WHERE maker_id IS NULL AND id NOT IN (SELECT token FROM token_roots WHERE on_host) ORDER BY name;

DELETE FROM api_tokens WHERE maker_id IS NULL AND id NOT IN (SELECT token FROM token_roots WHERE on_host);

DROP TABLE token_roots;
