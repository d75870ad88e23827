"""The sweep: once a day the index is compared with the table, a little at a time."""

from __future__ import annotations

from chalicelib.adapters.memory import MemoryCatalogue
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.search import SearchQuery, Withdrawn
from chalicelib.services.catalogue import SWEEP_EVERY, Indexing
from tests.api.test_marketplace import prepared
from tests.conftest import World

FIELDS = {"summary": "Crawls a web site and returns its pages"}


def published(world: World, number: int) -> AgentListing:
    who = world.sign_in()
    agent = prepared(world, who, f"Crawler {number}")
    listings = world.platform.listings
    fields = {**FIELDS, "name": f"Crawler number {number}"}
    listings.put(who, agent.id, if_revision=None, fields=fields)
    return listings.publish(who, agent.id, None).listing


def found(world: World) -> set[str]:
    return {one.slug for one in world.catalogue.search(SearchQuery(limit=60)).items}


def swept(world: World) -> int:
    """A whole round; how much it mended."""
    mended = 0
    for _ in range(60):
        mended += world.platform.indexing.sweep()
    return mended


def test_what_a_lost_event_left_out_or_behind_is_mended(world: World) -> None:
    shown = [published(world, n) for n in range(6)]
    world.platform.indexing.rebuild()
    assert len(found(world)) == 6
    world.catalogue.feed([Withdrawn(shown[0].agent_id)])  # a lost publication
    who = world.sign_in()
    world.platform.listings.unpublish(who, shown[1].agent_id)  # a lost withdrawal
    world.platform.listings.put(
        who, shown[2].agent_id, if_revision=None, fields={"summary": "Something else entirely"}
    )
    assert swept(world) == 3
    assert found(world) == {one.slug for one in shown} - {shown[1].slug}
    [changed] = world.catalogue.search(SearchQuery("entirely")).items
    assert changed.slug == shown[2].slug
    assert swept(world) == 0


def test_a_round_is_made_once_a_day_and_costs_one_read_otherwise(world: World) -> None:
    published(world, 1)
    world.platform.indexing.rebuild()
    swept(world)
    world.store.calls = 0
    world.platform.indexing.sweep()
    assert world.store.calls == 1
    world.platform.listings.unpublish(
        world.sign_in(), world.catalogue.search(SearchQuery()).items[0].agent_id
    )
    assert swept(world) == 0
    world.clock.sleep(SWEEP_EVERY.total_seconds() + 1)
    assert swept(world) == 1
    assert found(world) == set()


def test_a_long_index_is_gone_through_in_steps(world: World) -> None:
    indexing = Indexing(
        store=world.store,
        artifacts=world.artifacts,
        catalogue=world.catalogue,
        clock=world.clock,
        swept_at_once=2,
    )
    shown = [published(world, n) for n in range(7)]
    world.platform.indexing.rebuild()
    for one in shown[:5]:
        world.platform.listings.unpublish(world.sign_in(), one.agent_id)
    assert indexing.sweep() == 5
    assert found(world) == {one.slug for one in shown[5:]}


def test_a_run_of_the_reconciler_gives_it_so_much_time_and_the_next_goes_on(world: World) -> None:
    class Slow(MemoryCatalogue):
        def held(self, after: str, limit: int) -> list[tuple[str, str]]:
            world.clock.sleep(8)
            return super().held(after, limit)

    catalogue = Slow()
    indexing = Indexing(
        store=world.store,
        artifacts=world.artifacts,
        catalogue=catalogue,
        clock=world.clock,
        swept_at_once=1,
    )
    shown = [published(world, n) for n in range(7)]
    indexing.rebuild()
    for one in shown:
        world.platform.listings.unpublish(world.sign_in(), one.agent_id)
    assert [indexing.sweep() for _ in range(3)] == [3, 3, 1]
    assert catalogue.search(SearchQuery()).total == 0


def test_the_reconciler_sweeps_and_makes_a_missing_index(world: World) -> None:
    listing = published(world, 1)
    assert not world.catalogue.is_ready()
    world.platform.reconciler.run()
    assert found(world) == {listing.slug}
