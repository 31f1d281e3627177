-- Whether the client signs every part with its SHA-256; S3 was told so when the multipart upload was begun. An instance
-- of the version before writes false and begins its uploads without.
ALTER TABLE uploads ADD COLUMN part_checksums boolean NOT NULL DEFAULT false;
