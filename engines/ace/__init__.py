"""ACE: a playbook of short rules that grows by patches; the model itself never changes."""
