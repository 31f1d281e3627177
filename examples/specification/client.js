// The client code of the upload flow as its specification prints it, step by step. What is printed stands between the
// marks; around it is what it leaves open: where its names come from, and what is done with them afterwards.

/** Takes a file of 45,678,901 bytes, which is what step 1 announces, from upload to published. */
export async function uploadAndPublish(file, token, told) {
  // ---- Step 1 ----
  const response = await fetch('https://api.nextplay.com/v1/uploads/initiate', {
    method: 'POST',
    headers: {
      'Authorization': `Bearer ${token}`,
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({
      title: 'My Video',
      category: 'sports',
      visibility: 'public',
      filename: 'video.mp4',
      content_type: 'video/mp4',
      file_size_bytes: 45678901
    })
  });

  const { upload_id, video_id, s3_upload_id } = await response.json();
  // ---- end ----
  told({ upload_id, video_id, s3_upload_id });

  const parts = [];
  const PART_BYTES = 10 * 1024 * 1024;
  for (let partNum = 1; (partNum - 1) * PART_BYTES < file.size; partNum += 1) {
    const partData = file.slice((partNum - 1) * PART_BYTES, partNum * PART_BYTES);
    const partSize = partData.size;
    // ---- Step 2 ----
    // Get presigned URL for each part
    const partResponse = await fetch(
      `https://api.nextplay.com/v1/uploads/${upload_id}/parts/presign`,
      {
        method: 'POST',
        headers: {
          'Authorization': `Bearer ${token}`,
          'Content-Type': 'application/json'
        },
        body: JSON.stringify({
          part_number: partNum,
          content_length: partSize
        })
      }
    );

    const { presigned_url } = await partResponse.json();

    // Upload part directly to S3
    const uploadResponse = await fetch(presigned_url, {
      method: 'PUT',
      headers: {
        'Content-Type': 'video/mp4',
        'Content-Length': partSize.toString()
      },
      body: partData
    });

    const etag = uploadResponse.headers.get('ETag');
    parts.push({ part_number: partNum, etag });
    // ---- end ----
  }

  await complete(upload_id, token, parts, told);
  await new Promise((ready) => poll(video_id, token, told, ready));

  // ---- Step 8 ----
  const publishResponse = await fetch(
    `https://api.nextplay.com/v1/videos/${video_id}/publish`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${token}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({
        visibility: 'public',
        notify_followers: true
      })
    }
  );

  const { status, published_at } = await publishResponse.json();
  // status === 'PUBLISHED'
  // ---- end ----
  told({ status, published_at });
}

async function complete(upload_id, token, parts, told) {
  // ---- Step 3, with the parts of step 2 where it prints "..." ----
  const completeResponse = await fetch(
    `https://api.nextplay.com/v1/uploads/${upload_id}/complete`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${token}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({
        parts: parts
      })
    }
  );

  const { video_id, status } = await completeResponse.json();
  // ---- end ----
  told({ completed: video_id, status });
}

/** Step 7 tells nobody what it found, so its answers are looked at on their way. */
function poll(video_id, token, told, ready) {
  const fetch = async (...request) => {
    const response = await window.fetch(...request);
    const { status, progress } = await response.clone().json();
    told({ status, progress });
    if (status === 'READY') ready();
    return response;
  };
  // ---- Step 7 ----
  // Poll every 5 seconds until READY or FAILED
  const pollStatus = async () => {
    const response = await fetch(
      `https://api.nextplay.com/v1/videos/${video_id}/status`,
      {
        headers: {
          'Authorization': `Bearer ${token}`
        }
      }
    );
    
    const { status, progress } = await response.json();
    
    if (status === 'READY') {
      // Show publish button
      return 'READY';
    } else if (status.startsWith('REJECTED_') || status === 'PROCESSING_FAILED') {
      // Show error message
      return 'FAILED';
    } else {
      // Continue polling
      setTimeout(pollStatus, 5000);
    }
  };

  pollStatus();
  // ---- end ----
}
