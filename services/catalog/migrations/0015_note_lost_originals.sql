-- Whether the original was found to be gone before its time, by upload or by media. It has a column of its own, because
-- media may tell that before upload's UploadCompleted has told of the original.
ALTER TABLE videos ADD COLUMN original_gone boolean NOT NULL DEFAULT false;
