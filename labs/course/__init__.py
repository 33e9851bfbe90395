"""The course as data: chapters, scenarios and fixes, loaded from `scenarios/` and validated."""
