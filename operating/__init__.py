"""What operators meet: the commands by which they look and decide, and what processes tell them of themselves."""
