"""JSON Schema of the files an author writes, for editors. `labs scenarios schema` and `labs lint --schema` print it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from labs.course.models import ChapterFile, FixFile, ScenarioFile
from labs.course.repository import Repository

FILES: dict[str, type[BaseModel]] = {
    "scenario": ScenarioFile,
    "fix": FixFile,
    "chapter": ChapterFile,
    "repository": Repository,
}


def schema() -> dict[str, Any]:
    """Return the schemas of the files an author writes, by file name without `.yaml`."""
    result = {}
    for name, model in FILES.items():
        body = model.model_json_schema(by_alias=True)
        result[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name}.yaml", **body}
    return result
