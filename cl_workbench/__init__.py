"""The workbench application: command line, screens, settings, and the public API."""
