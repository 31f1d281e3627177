"""Between messages and what the use cases know, one file per subject."""
