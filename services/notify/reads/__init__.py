"""What is shown, one file per subject. The primary answers: a client reads again right after it wrote."""
