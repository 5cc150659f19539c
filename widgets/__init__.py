"""What is drawn: Textual widgets fed with plain values."""
