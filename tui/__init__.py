"""The Textual application over the headless core in `labs`."""
