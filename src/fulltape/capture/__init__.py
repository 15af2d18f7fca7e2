"""Raw frames to disk and back."""
