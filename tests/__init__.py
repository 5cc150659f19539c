"""The tests; a package so that any of them can import the tiny models from here."""
