"""What notify does, one file per subject."""
