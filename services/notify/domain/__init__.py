"""The rules of notify: no I/O, standard library and chassis.errors only."""
