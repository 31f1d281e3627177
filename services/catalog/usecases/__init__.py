"""What can be done with the catalog: one plain function per use case, called inside an open transaction."""
