-- People count the boots of a machine, from 1. What was dropped of older boots is not known any more.
ALTER TABLE boots ADD COLUMN number INTEGER NOT NULL DEFAULT 0;

UPDATE boots SET number = (SELECT count(*) FROM boots AS own WHERE own.device_id = boots.device_id AND own.id <= boots.id);
