"""What a document is studied by: questions or sentences asked without the text in view."""
