"""Named SQL, one file per subject; `chassis.queries.load` reads it."""
