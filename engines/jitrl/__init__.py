"""JitRL: knowledge beside the weights, by retrieval (MVP) and by stored states (Full)."""
