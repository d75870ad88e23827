"""How a deployment becomes live: pulled, started, found healthy, switched to, the old one ended."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from infra.local.yard.bundles import Bundle, Credentials, PullFailed
from infra.local.yard.faults import ACCIDENTS, Fault
from infra.local.yard.health import Unhealthy
from infra.local.yard.journal import Journal
from infra.local.yard.live import Live
from infra.local.yard.records import ENDED, Snapshot
from infra.local.yard.replica import Doom
from infra.local.yard.slots import Rollout, Slot, Slots
from infra.local.yard.store import Row
from infra.local.yard.uploads import BuildFailed

log = logging.getLogger(__name__)


class Rollouts:
    """Carries deployments out, one at a time per slot."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def begin(self, deployment_id: str) -> None:
        """Carries out a deployment that was just recorded; an older unfinished one gives way."""
        row = self._slots.row(deployment_id)
        slot = self._slots.slot((row["service_id"], row["environment_id"]))
        for older in list(slot.pending):
            self._slots.spawn(self.give_up(older, slot))
        rollout = Rollout(self._slots.spawn(self._carry_out(row, slot)))
        slot.pending[deployment_id] = rollout

    async def give_up(self, deployment_id: str, slot: Slot) -> None:
        """Ends a deployment that has not become live."""
        rollout = slot.pending.get(deployment_id)
        if rollout is not None:
            rollout.task.cancel()
            await asyncio.gather(rollout.task, return_exceptions=True)
            if rollout.live is not None and rollout.live is not slot.current:
                await rollout.live.halt(rollout.live.drain_seconds, "REMOVED")
                await self._slots.forget(rollout.live)
            # One that was given up before it had begun does not do this itself.
            if not self._slots.closing:
                slot.pending.pop(deployment_id, None)
        await self._slots.records.status(
            deployment_id, "REMOVED", event="removed", unless=("SUCCESS", *ENDED)
        )

    async def _carry_out(self, row: Row, slot: Slot) -> None:
        deployment_id = row["id"]
        try:
            await self._roll_out(row, slot)
        except _Failed as exc:
            self._slots.journal(deployment_id, "build").write(str(exc), "error")
            await self._slots.records.status(deployment_id, "FAILED", event="failed", unless=ENDED)
            await self._discard(slot, deployment_id)
        except Exception as exc:
            log.exception("deployment %s broke", deployment_id)
            self._slots.journal(deployment_id, "build").write(f"Internal error: {exc}", "error")
            await self._slots.records.status(deployment_id, "FAILED", event="failed", unless=ENDED)
            await self._discard(slot, deployment_id)
        finally:
            if not self._slots.closing:
                slot.pending.pop(deployment_id, None)

    async def _roll_out(self, row: Row, slot: Slot) -> None:
        deployment_id = row["id"]
        snapshot = Snapshot.of(row)
        build = self._slots.journal(deployment_id, "build")
        await self._queue(row)
        snapshot = await self._built(row, snapshot, build)
        bundle = await self._pull(row, snapshot, build)
        await self._slots.records.status(deployment_id, "DEPLOYING", event="deploying")
        live = self._slots.make_live(row, snapshot, bundle)
        slot.pending[deployment_id].live = live
        step = await self._slots.records.begin_step(deployment_id, "CREATE_CONTAINER")
        try:
            await self._before_start(live, snapshot, build)
            await live.launch()
        except PullFailed as exc:
            raise _Failed(str(exc)) from exc
        await live.started()
        await self._slots.records.end_step(step)
        if fault := self._slots.faults.take(
            "crash_before_live", services=self._slots.named(live.place.service_id)
        ):
            self._strike_later(live, fault)
        if live.health_path:
            await self._check_health(live, build)
        await self._switch(slot, live)

    async def _queue(self, row: Row) -> None:
        services = self._slots.named(row["service_id"])
        if fault := self._slots.faults.take("queued", services=services):
            await self._slots.records.status(row["id"], "QUEUED", event="queued")
            await asyncio.sleep(fault.seconds or 0)

    async def _built(self, row: Row, snapshot: Snapshot, build: Journal) -> Snapshot:
        """With the image that an uploaded source is built into; the same when there is none."""
        uploads = self._slots.uploads
        if snapshot.image or uploads is None or not uploads.has(row["id"]):
            return snapshot
        await self._slots.records.status(row["id"], "BUILDING", event="building")
        step = await self._slots.records.begin_step(row["id"], "BUILD_IMAGE")
        services = self._slots.named(row["service_id"])
        try:
            image = await uploads.build(row["id"], row["service_id"], build)
            if self._slots.faults.take("stale_image", services=services):
                image = self._older(row) or image
        except BuildFailed as exc:
            await self._slots.records.end_step(step, error=str(exc))
            raise _Failed(str(exc)) from exc
        await self._slots.records.end_step(step)
        config = self._slots.config
        built = replace(
            snapshot,
            image=image,
            username=config.registry_username,
            password=config.registry_password,
            built=True,
        )
        await self._slots.records.built(row["id"], built)
        return built

    def _older(self, row: Row) -> str | None:
        """What was built here before, as a cache gives it back that should not have been used."""
        lived = self._slots.records.lived(row["service_id"], row["environment_id"])
        return next((one.image for one in map(Snapshot.of, lived) if one.built), None)

    async def _pull(self, row: Row, snapshot: Snapshot, build: Journal) -> Bundle:
        if not snapshot.image:
            raise _Failed("The service has no image to deploy: set source.image first")
        build.write(f"Pulling {snapshot.image}")
        try:
            bundle = await self._slots.bundles.pull(
                snapshot.image, Credentials(snapshot.username, snapshot.password)
            )
        except PullFailed as exc:
            raise _Failed(str(exc)) from exc
        if bundle.static_dir is None and not (
            bundle.command or snapshot.settings.get("startCommand")
        ):
            raise _Failed(f"{snapshot.image} says no command to start it with")
        build.write(f"Pulled {bundle.digest}")
        await self._slots.records.amend_meta(
            row["id"],
            imageDigest=bundle.digest,
            serviceManifest={"deploy": {"startCommand": " ".join(bundle.command)}},
        )
        return bundle

    async def _before_start(self, live: Live, snapshot: Snapshot, build: Journal) -> None:
        commands = snapshot.settings.get("preDeployCommand") or ()
        for line in [commands] if isinstance(commands, str) else commands:
            step = await self._slots.records.begin_step(live.id, "PRE_DEPLOY_COMMAND")
            code = await live.run_once(line)
            await self._slots.records.end_step(
                step, **({"error": f"exit code {code}"} if code else {})
            )
            if code:
                raise _Failed(f"The pre-deploy command `{line}` ended with exit code {code}")
            build.write(f"The pre-deploy command `{line}` is done")

    async def _check_health(self, live: Live, build: Journal) -> None:
        step = await self._slots.records.begin_step(live.id, "HEALTHCHECK")
        build.write(f"Waiting for {live.health_path} to answer 200")
        services = self._slots.named(live.place.service_id)

        def override() -> int | None:
            fault = self._slots.faults.take("health_status", services=services)
            return fault.status if fault else None

        try:
            attempts = await live.healthy(override)
        except Unhealthy as exc:
            await self._slots.records.end_step(step, attempt=exc.attempts, error=exc.reason)
            raise _Failed(f"The health check failed: {exc.reason}") from exc
        await self._slots.records.end_step(step, attempt=attempts)
        build.write(f"The health check passed at attempt {attempts}")

    async def _switch(self, slot: Slot, live: Live) -> None:
        step = await self._slots.records.begin_step(live.id, "CONFIGURE_NETWORK")
        former, slot.current = slot.current, live
        if former is not None and former.phase in ("live", "starting"):
            slot.leaving = former
        live.phase = "live"
        live.last_traffic = asyncio.get_running_loop().time()
        slot.pending.pop(live.id, None)
        await self._slots.records.end_step(step)
        await self._slots.records.replicas(live.id, live.instances())
        await self._slots.records.status(live.id, "SUCCESS", event="deployed", unless=ENDED)
        self._arm_faults(live)
        self._slots.judge(live)
        if former is not None:
            self._slots.spawn(self._replace(slot, former, live))

    async def _replace(self, slot: Slot, former: Live, live: Live) -> None:
        """The old one ends what it has begun, and overlaps as long as asked."""
        await asyncio.gather(
            live.arrival(self._slots.hosting.start_timeout), asyncio.sleep(live.overlap_seconds)
        )
        if slot.leaving is former:
            slot.leaving = None
        step = await self._slots.records.begin_step(former.id, "DRAIN_INSTANCES")
        await self._slots.records.status(former.id, "REMOVING")
        await self._slots.retire(former)
        await self._slots.records.end_step(step)

    async def _discard(self, slot: Slot, deployment_id: str) -> None:
        rollout = slot.pending.get(deployment_id)
        if rollout is not None and rollout.live is not None:
            await rollout.live.halt(rollout.live.drain_seconds, "REMOVED")
            await self._slots.records.replicas(deployment_id, rollout.live.instances())
            await self._slots.forget(rollout.live)

    def _arm_faults(self, live: Live) -> None:
        services = self._slots.named(live.place.service_id)
        if fault := self._slots.faults.take("crash_after_live", "out_of_memory", services=services):
            self._strike_later(live, fault)
        if fault := self._slots.faults.take(*ACCIDENTS, services=services):
            self._slots.spawn(self._accident_later(live, fault))

    @staticmethod
    def _strike_later(live: Live, fault: Fault) -> None:
        oom = fault.kind == "out_of_memory"
        doom = Doom(137 if oom else fault.exit_code, oom)
        if fault.seconds:
            asyncio.get_running_loop().call_later(fault.seconds, live.strike, doom)
        else:
            live.strike(doom)

    async def _accident_later(self, live: Live, fault: Fault) -> None:
        await asyncio.sleep(fault.seconds or 0)
        if self._slots.accident is not None:
            await self._slots.accident(fault, live.place.service_id)


class _Failed(Exception):
    """The deployment cannot become live; the message is for the build log."""
