#!/bin/sh
# A clip from announcement to published with curl alone.
#
#     API=http://127.0.0.1:8080 TOKEN=… sh upload.sh clip.mp4 "My first goal" sports
set -eu
CLIP=$1 TITLE=$2 CATEGORY=$3
PART_BYTES=10485760

call() { # METHOD PATH [JSON]; a refusal is told as the API tells it
    REPLY=$(curl -sS --fail-with-body -X "$1" "$API$2" -H "Authorization: Bearer $TOKEN" \
        ${3:+-H 'Content-Type: application/json' -d "$3"}) || { printf '%s\n' "$REPLY" >&2; exit 1; }
    printf '%s\n' "$REPLY"
}
text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# 1. Announce the file.
SIZE=$(wc -c <"$CLIP" | tr -d ' ')
UPLOAD=$(call POST /v1/uploads/initiate "{\"title\": \"$TITLE\", \"category\": \"$CATEGORY\", \"filename\": \"clip.mp4\",
    \"content_type\": \"video/mp4\", \"file_size_bytes\": $SIZE}")
UPLOAD_ID=$(printf '%s' "$UPLOAD" | text upload_id)
VIDEO_ID=$(printf '%s' "$UPLOAD" | text video_id)
echo "video $VIDEO_ID"

# 2. Have each part signed, send it straight to S3, and note its ETag.
PART=$(mktemp)
trap 'rm -f "$PART"' EXIT
NUMBER=1 PARTS=
while [ $(((NUMBER - 1) * PART_BYTES)) -lt "$SIZE" ]; do
    tail -c +$(((NUMBER - 1) * PART_BYTES + 1)) "$CLIP" | head -c $PART_BYTES >"$PART"
    LENGTH=$(wc -c <"$PART" | tr -d ' ')
    URL=$(call POST "/v1/uploads/$UPLOAD_ID/parts/presign" "{\"part_number\": $NUMBER, \"content_length\": $LENGTH}" |
        text presigned_url)
    ETAG=$(curl -sS --fail-with-body -X PUT -T "$PART" -H 'Content-Type: video/mp4' -D - -o /dev/null "$URL" |
        tr -d '\r"' | sed -n 's/^[Ee][Tt][Aa][Gg]: *//p')
    PARTS="$PARTS${PARTS:+, }{\"part_number\": $NUMBER, \"etag\": \"$ETAG\"}"
    echo "part $NUMBER sent, $LENGTH bytes"
    NUMBER=$((NUMBER + 1))
done

# 3. Complete it.
call POST "/v1/uploads/$UPLOAD_ID/complete" "{\"parts\": [$PARTS]}" >/dev/null

# 4. Wait until it is processed.
while :; do
    STATUS=$(call GET "/v1/videos/$VIDEO_ID/status")
    case $(printf '%s' "$STATUS" | text status) in
    READY) break ;;
    REJECTED_* | PROCESSING_FAILED) echo "$STATUS" >&2; exit 1 ;;
    esac
    sleep 1
done

# 5. Publish it.
call POST "/v1/videos/$VIDEO_ID/publish" '{"visibility": "public"}' | text status
