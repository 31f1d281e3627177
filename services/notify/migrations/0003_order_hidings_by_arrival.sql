-- Publications and hidings of a video arrive in their order, so nothing of a hiding has to be remembered.
CREATE TABLE deleted_videos (
    video_id   uuid        PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO deleted_videos SELECT video_id, deleted_at FROM withdrawn_videos WHERE deleted_at IS NOT NULL;
DROP TABLE withdrawn_videos;
ALTER TABLE fanouts DROP COLUMN announced_at;
