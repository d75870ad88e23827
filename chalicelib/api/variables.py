"""Endpoints of an environment's variables."""

from __future__ import annotations

from typing import Annotated

from chalice.app import Blueprint
from pydantic import ConfigDict, Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.domain.tenancy import Action
from chalicelib.services.variables import VariableValue

variables = Blueprint(__name__)


class Variable(Model):
    """A secret's value is never shown; sent without a value, it keeps the one it has."""

    model_config = ConfigDict(str_strip_whitespace=False)

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    value: Annotated[str, StringConstraints(max_length=65536)] | None = None
    secret: bool = False


class VariablesChange(Model):
    items: list[Variable] = Field(max_length=200)


class VariableView(View):
    name: str
    value: str | None
    secret: bool


class VariablesView(View):
    items: list[VariableView]
    revision: int
    next_cursor: None = None


@endpoint(
    variables,
    "GET",
    "/agents/{agent_id}/environments/{environment}/variables",
    summary="Read the variables; secrets come without their values",
    action=Action.VARIABLES_READ,
    answer=VariablesView,
    errors=(404,),
)
def get_variables(call: Call, agent_id: str, environment: str) -> Answer:
    shown, revision = call.platform.variables.get(call.principal, agent_id, environment)
    return _answer(shown, revision)


@endpoint(
    variables,
    "PUT",
    "/agents/{agent_id}/environments/{environment}/variables",
    summary="Replace all variables; they take effect with the next deployment",
    action=Action.VARIABLES_WRITE,
    body=VariablesChange,
    answer=VariablesView,
    errors=(404, 409, 412),
)
def put_variables(call: Call, agent_id: str, environment: str, body: VariablesChange) -> Answer:
    wanted = [VariableValue(v.name, v.value, v.secret) for v in body.items]
    shown, revision = call.platform.variables.put(
        call.principal, agent_id, environment, wanted, if_revision=call.if_match
    )
    return _answer(shown, revision)


def _answer(shown: list[VariableValue], revision: int) -> Answer:
    items = [VariableView.model_validate(v) for v in shown]
    return Answer(VariablesView(items=items, revision=revision), revision=revision)
