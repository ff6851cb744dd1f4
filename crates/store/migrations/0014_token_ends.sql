-- When a token was found to be over. It stays so, whatever the host's clock shows afterwards.
ALTER TABLE api_tokens ADD COLUMN ended_at INTEGER;
