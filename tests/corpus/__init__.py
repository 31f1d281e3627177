"""Clips as phones, cameras and editors make them, each with what must come out of it, and the eyes and ears to tell.

`clip` says what a clip is and keeps the files; `scene` is what all of them show; the clips are in `lying`, `shapes`,
`colours`, `light`, `rates`, `tables`, `tracks` and `sound`, by subject, and together in `everything`. `boxes` edits MP4
boxes by hand where FFmpeg would not write them so. `seeing`, `hearing` and `hls` measure what came out, from its
pixels, samples and segments.
"""
