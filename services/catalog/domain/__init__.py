"""The rules of the catalog: no I/O, standard library and chassis.errors only."""
