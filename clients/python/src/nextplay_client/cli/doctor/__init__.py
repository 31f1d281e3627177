"""`nextplay doctor`: whether everything that an upload and playback need works from this machine."""
