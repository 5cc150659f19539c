"""The screens of the workbench: the one with the panes, and the dialogs over it."""
