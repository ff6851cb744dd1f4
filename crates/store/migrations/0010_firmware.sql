ALTER TABLE network_settings ADD COLUMN firmware TEXT NOT NULL DEFAULT '{}' CHECK (json_type(firmware) = 'object');
