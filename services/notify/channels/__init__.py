"""The vendors that bring messages to devices, one file each, and what their answers have in common."""
