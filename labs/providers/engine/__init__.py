"""The embedded engine: stock upstream components as supervised processes on this machine, no Docker."""
