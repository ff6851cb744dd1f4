-- The account that made a token: the token may never do more than it, and goes with it. None has one that was made on the host.
ALTER TABLE api_tokens ADD COLUMN maker_id INTEGER REFERENCES users (id) ON DELETE CASCADE;

UPDATE api_tokens SET maker_id = (SELECT id FROM users WHERE 'person:' || users.name = made_by);

CREATE INDEX api_tokens_by_maker ON api_tokens (maker_id);
