-- Who stopped following the author since the last page that was written: a page that was listed before leaves them out.
ALTER TABLE fanouts ADD COLUMN unfollowed uuid[] NOT NULL DEFAULT '{}';
