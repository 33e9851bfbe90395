"""The course as data: typed models, loading with `file:line`, lint, JSON Schema."""
