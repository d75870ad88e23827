"""Endpoints of a listing's pictures. They are sent as base64 and shown from `/media/`."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, endpoint
from chalicelib.api.listings import DraftView, draft_answer
from chalicelib.api.words import one_line
from chalicelib.domain.images import MAX_SCREENSHOTS
from chalicelib.domain.tenancy import Action
from chalicelib.errors import FieldError, Invalid
from chalicelib.services.images import Arranged

images = Blueprint(__name__)

Data = Annotated[str, StringConstraints(min_length=1, max_length=940_000)]
Alt = Annotated[str, one_line(160)]


class NewIcon(Model):
    """A square PNG, JPEG or WebP of at most 300 kB, in base64."""

    data: Data


class NewScreenshot(Model):
    """A PNG, JPEG or WebP of at most 700 kB, in base64. `alt` says what is to be seen."""

    data: Data
    alt: Alt = ""


class ScreenshotPlace(Model):
    path: Annotated[str, StringConstraints(max_length=120)]
    alt: Alt = ""


class ScreenshotRow(Model):
    """Those of the listing's screenshots that stay, in the order in which they are shown."""

    items: Annotated[list[ScreenshotPlace], Field(max_length=MAX_SCREENSHOTS)]


@endpoint(
    images,
    "PUT",
    "/agents/{agent_id}/listing/icon",
    summary="Show a picture as the agent's icon",
    action=Action.AGENT_UPDATE,
    body=NewIcon,
    answer=DraftView,
    errors=(404, 409, 412),
)
def put_icon(call: Call, agent_id: str, body: NewIcon) -> Answer:
    return draft_answer(
        call.platform.images.set_icon(
            call.principal, agent_id, _bytes(body.data), if_revision=call.if_match
        )
    )


@endpoint(
    images,
    "DELETE",
    "/agents/{agent_id}/listing/icon",
    summary="Show the agent's emoji again instead of a picture",
    action=Action.AGENT_UPDATE,
    answer=DraftView,
    errors=(404, 409, 412),
)
def delete_icon(call: Call, agent_id: str) -> Answer:
    return draft_answer(
        call.platform.images.remove_icon(call.principal, agent_id, if_revision=call.if_match)
    )


@endpoint(
    images,
    "POST",
    "/agents/{agent_id}/listing/screenshots",
    summary="Add a screenshot to the agent's listing",
    action=Action.AGENT_UPDATE,
    body=NewScreenshot,
    answer=DraftView,
    status=201,
    errors=(404, 409, 412),
)
def add_screenshot(call: Call, agent_id: str, body: NewScreenshot) -> Answer:
    return draft_answer(
        call.platform.images.add_screenshot(
            call.principal, agent_id, _bytes(body.data), body.alt, if_revision=call.if_match
        )
    )


@endpoint(
    images,
    "PUT",
    "/agents/{agent_id}/listing/screenshots",
    summary="Order, describe and remove the listing's screenshots",
    action=Action.AGENT_UPDATE,
    body=ScreenshotRow,
    answer=DraftView,
    errors=(404, 409, 412),
)
def arrange_screenshots(call: Call, agent_id: str, body: ScreenshotRow) -> Answer:
    wanted = [Arranged(one.path, one.alt) for one in body.items]
    return draft_answer(
        call.platform.images.arrange(call.principal, agent_id, wanted, if_revision=call.if_match)
    )


def _bytes(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError:
        raise Invalid(
            "This is not base64.",
            errors=(FieldError("data", "Send the file's bytes in base64, without a prefix."),),
        ) from None
