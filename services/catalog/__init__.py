"""The catalog: videos and where they stand, publishing, follows, feeds and playback."""
