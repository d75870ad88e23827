"""Endpoints of versions: making one, following its build, reading its report and log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from pydantic import Field, model_validator

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import (
    CommitView,
    InferredView,
    LogLineView,
    LogPage,
    LogQuery,
    PageQuery,
    ReasonView,
)
from chalicelib.api.words import filled_line, written
from chalicelib.domain.limits import RateClass
from chalicelib.domain.tenancy import Action
from chalicelib.domain.versions import SourceKind, Version, VersionState
from chalicelib.ports import UploadForm

versions = Blueprint(__name__)

Line = Annotated[str, filled_line(255)]
EnvironmentName = Annotated[
    str,
    written(r"^[a-zA-Z0-9-]{1,24}$", "Use 1 to 24 letters, digits and dashes: production."),
]


class NewVersion(Model):
    """`source: upload` answers a form to post the archive with; `template` and `github` need
    nothing more."""

    source: Literal["upload", "template", "github"]
    filename: Line | None = None
    size: int | None = Field(None, ge=1)
    template: Line | None = None
    repository: Line | None = None
    """A public one as owner/name; left out, the one the agent is connected to."""
    ref: Line | None = None
    """A branch, a tag or a commit; left out, the branch the agent follows, or the default one."""
    root: Line | None = None
    """The agent's folder in the repository."""
    deploy: bool = False
    environment: EnvironmentName = "production"
    hold: bool = False
    """Stop after the source was read, so that a person can confirm what was inferred."""
    choice: Line | None = None
    """Which app of the source is meant, where it holds several: one of `candidates`. It is
    remembered for the agent's next versions."""

    @model_validator(mode="after")
    def complete(self) -> NewVersion:
        if self.source == "upload" and self.filename is None:
            raise ValueError("An upload needs its `filename`, for example agent.zip.")
        if self.source == "template" and self.template is None:
            raise ValueError("Name the `template`; GET /templates lists them.")
        return self


class Confirmation(Model):
    manifest: dict[str, Any] | None = None
    """Replaces the source's manifest, or what was inferred."""


class SourceView(View):
    kind: SourceKind
    filename: str
    size: int | None
    digest: str | None
    template: str | None
    commit: CommitView | None


class UploadView(View):
    """Post these fields and then `file` as multipart/form-data to `url`."""

    url: str
    fields: Mapping[str, str]


class VersionView(View):
    id: str
    agent_id: str
    number: int
    label: str
    state: VersionState
    source: SourceView
    environment: str
    deploy: bool
    hold: bool
    choice: str | None
    manifest: Mapping[str, Any] | None
    plan: Mapping[str, Any] | None
    inferred: list[InferredView]
    candidates: list[str]
    warnings: list[ReasonView]
    reasons: list[ReasonView]
    image: str | None
    image_size: int | None
    deployment_id: str | None
    timings: Mapping[str, str]
    created_by: str
    created_at: datetime
    updated_at: datetime
    revision: int


class CreatedVersion(VersionView):
    upload: UploadView | None = None


class VersionPage(View):
    items: list[VersionView]
    next_cursor: str | None


class ReportView(View):
    """The build's own report: steps with times, findings of the scan, results of the tests."""

    report: Mapping[str, Any]


@endpoint(
    versions,
    "GET",
    "/agents/{agent_id}/versions",
    summary="List an agent's versions, newest first",
    action=Action.VERSION_READ,
    query=PageQuery,
    answer=VersionPage,
    errors=(404,),
)
def list_versions(call: Call, agent_id: str, query: PageQuery) -> VersionPage:
    page = call.platform.versions.page(
        call.principal, agent_id, limit=query.limit, after=query.cursor
    )
    return VersionPage(
        items=[VersionView.model_validate(v) for v in page.items], next_cursor=page.next
    )


@endpoint(
    versions,
    "POST",
    "/agents/{agent_id}/versions",
    summary="Make a version of an upload, a template or a commit; with deploy, it goes live",
    action=Action.VERSION_CREATE,
    also=(Action.DEPLOYMENT_CREATE,),
    body=NewVersion,
    answer=CreatedVersion,
    status=201,
    errors=(404, 409, 502, 503),
    idempotent=True,
    rate=RateClass.UPLOAD,
)
def create_version(call: Call, agent_id: str, body: NewVersion) -> CreatedVersion:
    service = call.platform.versions
    if body.source == "template":
        version = service.create_from_template(
            call.principal,
            agent_id,
            template=body.template or "",
            deploy=body.deploy,
            environment=body.environment,
            hold=body.hold,
        )
        return _created(version, None)
    if body.source == "github":
        version = call.platform.sources.create(
            call.principal,
            agent_id,
            repository=body.repository,
            ref=body.ref,
            root=body.root,
            deploy=body.deploy,
            environment=body.environment,
            hold=body.hold,
            choice=body.choice,
        )
        return _created(version, None)
    version, form = service.create_upload(
        call.principal,
        agent_id,
        filename=body.filename or "",
        size=body.size,
        deploy=body.deploy,
        environment=body.environment,
        hold=body.hold,
        choice=body.choice,
    )
    return _created(version, form)


@endpoint(
    versions,
    "GET",
    "/agents/{agent_id}/versions/{version_id}",
    summary="Read a version; cheap to poll with If-None-Match",
    action=Action.VERSION_READ,
    answer=VersionView,
    errors=(404,),
)
def get_version(call: Call, agent_id: str, version_id: str) -> Answer:
    return _polled(call.platform.versions.get(call.principal, agent_id, version_id))


@endpoint(
    versions,
    "POST",
    "/agents/{agent_id}/versions/{version_id}/uploaded",
    summary="Say that the upload is complete, where the object store sends no events",
    action=Action.VERSION_CREATE,
    answer=VersionView,
    status=202,
    errors=(404, 409),
)
def version_uploaded(call: Call, agent_id: str, version_id: str) -> Answer:
    return Answer(_view(call.platform.versions.uploaded(call.principal, agent_id, version_id)))


@endpoint(
    versions,
    "POST",
    "/agents/{agent_id}/versions/{version_id}/build",
    summary="Confirm a held version, with another manifest if you like, and build it",
    action=Action.VERSION_CREATE,
    body=Confirmation,
    answer=VersionView,
    status=202,
    errors=(404, 409),
)
def build_version(call: Call, agent_id: str, version_id: str, body: Confirmation) -> Answer:
    return Answer(
        _view(
            call.platform.versions.build(
                call.principal, agent_id, version_id, manifest=body.manifest
            )
        )
    )


@endpoint(
    versions,
    "POST",
    "/agents/{agent_id}/versions/{version_id}/cancel",
    summary="Cancel a version on its way; one that has ended stays as it is",
    action=Action.VERSION_CREATE,
    answer=VersionView,
    errors=(404, 409),
)
def cancel_version(call: Call, agent_id: str, version_id: str) -> Answer:
    return Answer(_view(call.platform.versions.cancel(call.principal, agent_id, version_id)))


@endpoint(
    versions,
    "GET",
    "/agents/{agent_id}/versions/{version_id}/report",
    summary="Read the build report: steps, scan, tests",
    action=Action.VERSION_READ,
    answer=ReportView,
    errors=(404,),
)
def get_report(call: Call, agent_id: str, version_id: str) -> ReportView:
    return ReportView(report=call.platform.versions.report(call.principal, agent_id, version_id))


@endpoint(
    versions,
    "GET",
    "/agents/{agent_id}/versions/{version_id}/logs",
    summary="Read the build log from a cursor on",
    action=Action.VERSION_READ,
    query=LogQuery,
    answer=LogPage,
    errors=(404,),
)
def get_build_log(call: Call, agent_id: str, version_id: str, query: LogQuery) -> Answer:
    lines, cursor, more = call.platform.versions.logs(
        call.principal, agent_id, version_id, cursor=query.cursor, limit=query.limit
    )
    page = LogPage(
        items=[LogLineView.model_validate(line) for line in lines], next_cursor=cursor, more=more
    )
    return Answer(page, headers={"Retry-After": "1"} if more else {})


def _created(version: Version, form: UploadForm | None) -> CreatedVersion:
    upload = None if form is None else UploadView.model_validate(form)
    return CreatedVersion(**_view(version).model_dump(), upload=upload)


def _view(version: Version) -> VersionView:
    return VersionView.model_validate(version)


def _polled(version: Version) -> Answer:
    headers = {} if version.state.is_final else {"Retry-After": "1"}
    return Answer(_view(version), revision=version.revision, headers=headers)
