-- Serves operators, who ask what is still to be deleted of a video: by the beginning of its prefix.
CREATE INDEX purges_prefix ON purges (prefix COLLATE "C");
