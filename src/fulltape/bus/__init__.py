"""How commits reach their readers."""
