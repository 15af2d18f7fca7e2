"""Records that people bring: files and requests, checked row by row."""
