"""What an alert is, by configuration, and telling people of those that are committed."""
