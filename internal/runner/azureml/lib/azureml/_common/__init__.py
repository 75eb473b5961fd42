"""Where some scripts import exceptions from."""
