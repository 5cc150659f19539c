"""Training a hypernetwork: documents and questions in, a run folder with checkpoints out."""
