"""The subcommands of ``cl-workbench``, one file each."""
