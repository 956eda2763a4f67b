"""The OpenAPI document, made from the route table: nothing is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import stellwerk
from stellwerk.cockpit.api.routes import COMPATIBLE, NoRequest, Route

_REFERENCE = "#/components/schemas/{name}"


def openapi_document(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes."""
    routes = sorted(routes, key=lambda route: (route.path, route.method))
    types = [route.request for route in routes] + [route.answer for route in routes if route.answer is not None]
    unique = list({id(type_): type_ for type_ in types}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REFERENCE)
    schema_of = {id(type_): schema for type_, schema in zip(unique, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(COMPATIBLE + route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    components["Error"] = {
        "type": "object",
        "required": ["deliveryDate", "error"],
        "properties": {
            "deliveryDate": {"type": "string", "format": "date-time"},
            "surveyDate": {"type": "string", "format": "date-time"},
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    }
    failure = {name: {"type": "string"} for name in ("code", "message", "path")}
    components["Errors"] = {
        "type": "object",
        "required": ["deliveryDate", "errors"],
        "properties": {
            "deliveryDate": {"type": "string", "format": "date-time"},
            "errors": {"type": "array", "items": {"type": "object", "required": [*failure], "properties": failure}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stellwerk Cockpit", "version": stellwerk.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Access-Token"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


_BINARY = {"type": "string", "format": "binary"}


def _content(route: Route, schema_of: dict[int, Any]) -> dict[str, Any]:
    """Nothing is said of what is neither JSON nor an archive: its media type depends on what is asked for."""
    if route.answer is None:
        return {}
    if route.answer is bytes:
        return {"application/octet-stream": {"schema": _BINARY}}
    return {"application/json": {"schema": schema_of[id(route.answer)]}}


def _operation(route: Route, schema_of: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    error = {
        "description": "failed",
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Error")}}},
    }
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.description,
        "tags": [route.path.strip("/").split("/")[0]],
        "security": [] if route.public else [{"token": []}],
        "responses": {
            "200": {"description": "done", "content": _content(route, schema_of)},
            "419": {
                "description": "some of several objects failed",
                "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Errors")}}},
            },
            "420": error,
        },
    }
    if route.unreachable_status not in (200, 420):
        operation["responses"][str(route.unreachable_status)] = {**error, "description": "the Controller is silent"}
    if not route.public:
        operation["responses"]["440"] = {"description": "the session has expired or is unknown"}
    if route.permission is not None:
        operation["x-permission"] = route.permission
        operation["responses"]["403"] = {"description": f"the permission {route.permission} is missing"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.method == "GET":
        for field in msgspec.structs.fields(route.request):
            parameters.append(
                {
                    "name": field.encode_name,
                    "in": "query",
                    "required": field.required,
                    "schema": msgspec.json.schema(field.type),
                }
            )
    elif route.text:
        operation["requestBody"] = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    elif route.form or route.request is not NoRequest:
        schema: Any = schema_of[id(route.request)]
        if route.form:
            file = {"type": "object", "required": ["file"], "properties": {"file": _BINARY}}
            operation["requestBody"] = {"content": {"multipart/form-data": {"schema": {"allOf": [schema, file]}}}}
        else:
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    if parameters:
        operation["parameters"] = parameters
    return operation
