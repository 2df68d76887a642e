"""One command (or group of commands) a file; importing the file registers it."""
