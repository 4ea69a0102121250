"""As much of OpenAPI 3.1 and JSON Schema as proto/openapi.yaml uses. An unknown keyword is an error, not ignored."""
import json
import re

ANNOTATIONS = {"description", "title", "example", "examples", "default", "contentEncoding", "$comment", "deprecated"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def resolve(document, node):
    """Follows $ref, which stands alone."""
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def is_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Validator:
    def __init__(self, document):
        self.document = document

    def errors(self, value, schema, where="value"):
        """Yields sentences."""
        schema = resolve(self.document, schema)
        for keyword, wanted in schema.items():
            if keyword in ANNOTATIONS:
                continue
            check = getattr(self, "check_" + keyword, None)
            if check is None:
                yield f"{where}: the test does not know the keyword {keyword}"
            else:
                yield from check(value, wanted, schema, where)

    def check_type(self, value, wanted, _schema, where):
        names = wanted if isinstance(wanted, list) else [wanted]
        if not any(is_type(value, name) for name in names):
            yield f"{where} is {json.dumps(value)[:100]}, not of type {wanted}"

    def check_required(self, value, wanted, _schema, where):
        if isinstance(value, dict):
            yield from (f"{where} has no {name}" for name in wanted if name not in value)

    def check_properties(self, value, wanted, _schema, where):
        if isinstance(value, dict):
            for name, schema in wanted.items():
                if name in value:
                    yield from self.errors(value[name], schema, f"{where}.{name}")

    def check_additionalProperties(self, value, wanted, schema, where):
        for name in value if isinstance(value, dict) else ():
            if name in schema.get("properties", {}):
                continue
            if wanted is False:
                yield f"{where} has an unknown {name}"
            elif wanted is not True:
                yield from self.errors(value[name], wanted, f"{where}.{name}")

    def check_items(self, value, wanted, _schema, where):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from self.errors(item, wanted, f"{where}[{index}]")

    def check_allOf(self, value, wanted, _schema, where):
        for schema in wanted:
            yield from self.errors(value, schema, where)

    def check_pattern(self, value, wanted, _schema, where):
        if isinstance(value, str) and not re.search(wanted, value):
            yield f"{where} is {value!r}, which does not match {wanted}"

    def check_const(self, value, wanted, _schema, where):
        if value != wanted:
            yield f"{where} is {value!r}, not {wanted!r}"

    def check_enum(self, value, wanted, _schema, where):
        if value not in wanted:
            yield f"{where} is {value!r}, not one of {wanted}"

    def check_minimum(self, value, wanted, _schema, where):
        if is_type(value, "number") and value < wanted:
            yield f"{where} is {value}, below {wanted}"

    def check_maximum(self, value, wanted, _schema, where):
        if is_type(value, "number") and value > wanted:
            yield f"{where} is {value}, above {wanted}"

    def check_minLength(self, value, wanted, _schema, where):
        if isinstance(value, str) and len(value) < wanted:
            yield f"{where} is shorter than {wanted}"

    def check_maxLength(self, value, wanted, _schema, where):
        if isinstance(value, str) and len(value) > wanted:
            yield f"{where} is longer than {wanted}"


def shape_differs(got, wanted, where="value"):
    """None when both have the same members; lists are compared by their first items."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        if sorted(got) != sorted(wanted):
            return f"{where} has {sorted(got)}, the example {sorted(wanted)}"
        return next(filter(None, (shape_differs(got[name], wanted[name], f"{where}.{name}") for name in wanted)), None)
    if isinstance(wanted, list) and isinstance(got, list):
        if wanted and not got:
            return f"{where} is empty"
        return shape_differs(got[0], wanted[0], f"{where}[0]") if wanted else None
    if type(got) is not type(wanted):
        return f"{where} is {got!r}, in the example {wanted!r}"
    return None
