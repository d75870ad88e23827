"""The program knows the order of the steps: fetch, scan, build, start, test, publish."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from infra.build.deadline import Deadline
from infra.build.faults import BuildFault, Failed, Reason, Rejected, Stopped
from infra.build.grounds import Ground, Job, Published, load_ground
from infra.build.journal import Journal
from infra.build.masking import Masker
from infra.build.order import Location, Order, OrderUnreadable
from infra.build.report import Report, duration
from infra.build.storage import Storage, StorageError

if TYPE_CHECKING:
    from chalicelib.domain.interface import Interface


def main() -> int:
    """Carries out the order that the environment names; 0 when the agent was published."""
    began = time.perf_counter()
    env = os.environ
    signal.signal(signal.SIGTERM, _stop)
    try:
        where = Location(env["SLIPWAY_ORDER_BUCKET"], env["SLIPWAY_ORDER_KEY"])
        storage = Storage(env)
        order = Order.parse(storage.read(where))
    except KeyError as missing:
        print(
            f"The environment lacks {missing}; this program is started by a build order.",
            file=sys.stderr,
        )
        return 1
    except (StorageError, OrderUnreadable) as problem:
        print(f"The build order could not be read: {problem}", file=sys.stderr)
        return 1
    return carry_out(order, storage, env, began)


def carry_out(order: Order, storage: Storage, env: Mapping[str, str], began: float) -> int:
    """One build from its order to its report."""
    courier = Storage(env)  # the journal's thread has a connection of its own

    def put(name: str, body: bytes, content_type: str) -> None:
        courier.write(Location(order.output.bucket, order.output.key + name), body, content_type)

    masker = Masker(order.secrets)
    journal = Journal(put, masker, log_bytes=order.limits.log_bytes, echo=sys.stdout)
    report = Report(journal)
    fault: BuildFault | None = None
    try:
        _build(order, storage, env, report)
    except BuildFault as known:
        fault = known
    except Exception as error:  # noqa: BLE001 - a fault of ours must still end in a report
        journal.error(f"{type(error).__name__}: {error}")
        fault = Failed.because(
            "build_internal_error",
            f"The build program itself failed ({type(error).__name__}: {error}). This is not the "
            "fault of your source; try again, and tell the operator if it happens twice.",
        )
    if fault is None:
        journal.info(f"Built in {duration(time.perf_counter() - began)}")
    report.end(fault)
    heard = journal.close()
    courier.close()
    storage.close()
    return 0 if fault is None and heard else 1


def _build(order: Order, storage: Storage, env: Mapping[str, str], report: Report) -> None:
    ground: Ground | None = None
    scratch: Path | None = None
    try:
        with report.step("fetch"):
            ground = load_ground(env.get("SLIPWAY_BUILD_GROUND"))
            scratch = ground.workspace(order)
            job = Job(order, scratch / "source", scratch, report)
            _fetch(job, storage)
        with report.step("scan"):
            _scan(job)
        with report.step("build"):
            job.deadline = Deadline(order.limits.build_seconds, "build")
            context = _context(job)
            ground.build(job)
        _prove(job, ground, storage)
        with report.step("publish"):
            job.deadline = Deadline(max(60.0, order.limits.build_seconds), "publish")
            published = _published(context, job, storage) if context else ground.publish(job)
            report.image = published.image
            report.size_bytes = published.size_bytes
            report.journal.info(f"Published {published.image} ({published.size_bytes:,} bytes)")
    finally:
        if ground is not None:
            ground.close()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _context(job: Job) -> Path | None:
    """The packed source, for hosts that build it themselves; taken before anything of it runs."""
    if job.order.strategy != "source":
        return None
    from infra.build.context import NAME, pack_context  # noqa: PLC0415 - the rarer strategy

    packed = job.scratch / NAME
    pack_context(job, packed)
    return packed


def _published(context: Path, job: Job, storage: Storage) -> Published:
    from infra.build.context import NAME, published  # noqa: PLC0415

    output = job.order.output
    storage.write(
        Location(output.bucket, output.key + NAME), context.read_bytes(), "application/gzip"
    )
    return published(context)


def _fetch(job: Job, storage: Storage) -> None:
    from chalicelib.domain.archive import ArchiveRejected, open_archive  # noqa: PLC0415

    order = job.order
    packed = job.scratch / "packed"
    try:
        size = storage.download(order.source, packed)
    except StorageError as problem:
        raise Failed.because(
            "source_missing" if problem.missing else "source_unreadable",
            "The uploaded source is not there any more; upload it again."
            if problem.missing
            else f"The uploaded source could not be read from storage: {problem}. Try again.",
        ) from problem
    _check_digest(packed, order.digest)
    try:
        archive = open_archive(packed, order.filename)
        archive.extract(job.source)
    except ArchiveRejected as rejected:
        raise Rejected(
            *(Reason(f.code, f.detail, f.file, f.line) for f in rejected.findings)
        ) from rejected
    packed.unlink()
    job.report.journal.info(
        f"Fetched {order.filename}: {size:,} bytes, {archive.file_count} files, "
        f"{archive.unpacked_size:,} bytes unpacked"
    )


def _check_digest(packed: Path, wanted: str | None) -> None:
    """What was inspected is what is built: an upload may be replaced until its form expires."""
    if wanted is None:
        return
    with packed.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.lower():
        raise Failed.because(
            "source_changed",
            "What was reviewed is not what is here: the uploaded source was replaced afterwards. "
            "Upload it as a new version.",
        )


def _scan(job: Job) -> None:
    from infra.build.scan import scan  # noqa: PLC0415

    result = scan(job.source)
    job.report.scan = result.to_json()
    journal = job.report.journal
    for finding in result.findings:
        place = f"{finding.file}:{finding.line or 1}" if finding.file else "source"
        level = {"block": "error", "warn": "warn"}.get(finding.level, "info")
        line = f"{place}: {finding.detail} [{finding.rule}]"
        journal.error(line) if level == "error" else journal.write(level, line)  # type: ignore[arg-type]
    journal.info(
        f"Scanned {result.files} files: {len(result.blocking)} blocking, "
        f"{result.count('warn')} warnings"
    )
    if result.unavailable:
        names = ", ".join(tool.name for tool in result.unavailable)
        journal.info(f"Unavailable here, so nothing was checked with: {names}")
    if result.blocking:
        raise Rejected(
            *(
                Reason(f"scan_{f.rule}", f"{f.detail} {f.advice}", f.file, f.line)
                for f in result.blocking
            )
        )


def _prove(job: Job, ground: Ground, storage: Storage) -> None:
    """Start what was built, see that it answers, and run the manifest's tests against it."""
    from infra.build.trial import Trial  # noqa: PLC0415

    report = job.report
    trial = Trial(job, ground)
    try:
        with report.step("start"):
            trial.start()
        if job.order.plan.tests:
            with report.step("test"):
                trial.test()
        else:
            report.skip("test")
        _write_down(trial.ask(), job, storage)
    finally:
        trial.stop()


def _write_down(said: Interface, job: Job, storage: Storage) -> None:
    """What the agent said of itself, beside the report. Without it people read less."""
    from chalicelib.domain.interface import INTERFACE  # noqa: PLC0415

    journal, output = job.report.journal, job.order.output
    text = journal.masker(json.dumps(said.to_json()))
    try:
        json.loads(text)
        storage.write(
            Location(output.bucket, output.key + INTERFACE), text.encode(), "application/json"
        )
    except (StorageError, ValueError) as problem:
        journal.info(f"What the agent says of itself could not be kept: {problem}")
        return
    if said.tools is not None:
        journal.info(f"It offers {len(said.tools)} tools or skills")
    if said.operations is not None:
        journal.info(f"Its API has {len(said.operations)} operations")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped.because("build_stopped", "The build was stopped before it was finished.")
