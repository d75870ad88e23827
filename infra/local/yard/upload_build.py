"""`python -m infra.local.yard.upload_build FOLDER REPOSITORY NAME`: builds a source that was sent.

Runs in a process of its own. What it prints is the build log; the last line names the image.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from chalicelib.domain.plan import Plan
from infra.build.deadline import Deadline
from infra.build.faults import BuildFault
from infra.build.grounds import Job
from infra.build.journal import Journal
from infra.build.masking import Masker
from infra.build.order import Location, Order
from infra.build.report import Report
from infra.local.ground import LocalGround
from infra.local.yard.uploads import plan_of

BUILD_SECONDS = 600


def main(folder: Path, repository: str, name: str) -> int:
    """0 when there is an image."""
    order = Order(
        org_id="railway",
        agent_id="upload",
        version_id=name,
        source=Location("", ""),
        filename="context.tar.gz",
        plan=Plan.from_json(plan_of(folder)),
        output=Location("", ""),
        repository=repository,
    )
    journal = Journal(lambda *_: None, Masker([]), log_bytes=5_000_000, echo=sys.stdout)
    report = Report(journal)
    ground = LocalGround()
    scratch = ground.workspace(order)
    try:
        source = scratch / "source"
        shutil.copytree(folder, source)
        job = Job(order, source, scratch, report, Deadline(BUILD_SECONDS, "build"))
        ground.build(job)
        image = ground.publish(job).image
    except BuildFault as fault:
        for reason in fault.reasons:
            journal.error(reason.detail)
        return 1
    finally:
        ground.close()
        shutil.rmtree(scratch, ignore_errors=True)
        journal.close()
    print(f"IMAGE {image}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
