"""The configuration's form as a JSON Schema, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from exporter.config.extends import KEY, PACKAGE, SECTIONS
from exporter.config.schema import File

_URI = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema; errors between keys are found by `check` alone."""
    schema = File.model_json_schema(schema_generator=_Generator)
    for section in SECTIONS:
        properties = schema["properties"][section]
        for form in properties.get("anyOf", [properties]):
            if form.get("type") == "object":
                form["properties"] = {KEY: {"const": PACKAGE}}
    return {"$schema": _URI, **schema, "title": "kpi-exporter"}


class _Generator(GenerateJsonSchema):
    """Writes what an editor checks: numbers as texts too, no defaults."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        variable = {"type": "string", "pattern": r"\$\{"}  # of the environment
        return {"anyOf": [super().int_schema(schema), variable]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])
