-- Whose upload the original is: a claim hands the video to another upload before that has stored one of its own.
ALTER TABLE videos ADD COLUMN original_upload_id uuid;
UPDATE videos SET original_upload_id = upload_id WHERE input_s3_key IS NOT NULL;

-- A draft that belongs to an upload is not taken from it any more.
ALTER TABLE video_claims DROP COLUMN superseded_upload_id;

-- Serves the job that finds stuck videos: few rows are under way at any time. A claim whose upload never starts is
-- found too.
DROP INDEX videos_under_way;
CREATE INDEX videos_under_way ON videos (heard_at)
    WHERE status IN ('UPLOADING', 'UPLOADED', 'PROCESSING') OR (status = 'DRAFT' AND upload_id IS NOT NULL);
