"""Language models to ask: a server over HTTP, or the workbench's own model in this process."""
