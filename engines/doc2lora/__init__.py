"""Doc-to-LoRA: a hypernetwork reads a document once and writes a LoRA for the frozen base."""
