"""TTT-E2E: a dual MLP in the last quarter of the layers learns a document by gradient descent."""
