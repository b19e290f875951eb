"""What all workers do, as any of them knows it."""

import asyncio
import time

from fake_limiter import FakeLimiter
from headrace.limits import Admission, KeyLimits, LimitSettings
from headrace.server.admin import Activity
from headrace.server.metrics import Slot, clear_gauges
from metrics_text import outcome


class Run:
    """A run, as the admission knows it."""

    def __init__(self, id, seconds, key="a"):
        self.id = id
        self.model = "glm-4.6"
        self.owner = key
        self.entered = asyncio.get_running_loop().time() - seconds


def new_admission(running=(), waiting=()):
    admission = Admission(FakeLimiter(), LimitSettings, lambda _: KeyLimits())
    admission.running |= {*running}
    admission.waiting |= {*waiting}
    return admission


async def state(activity, minute=29_000_000):
    return await activity.state(60 * minute)


async def test_a_server_of_one_process_needs_no_files():
    activity = Activity(new_admission([Run("t1", 5)], [Run("t2", 9)]))
    shown = await state(activity)

    assert (shown["running"], shown["waiting"]) == (1, 1)
    assert [(turn.id, turn.state, turn.key) for turn in shown["turns"]] == [
        ("t2", "waiting", "a"),
        ("t1", "running", "a"),
    ]
    assert len(shown["minutes"]) == 60


async def test_only_the_turns_that_have_run_longest_are_listed():
    activity = Activity(new_admission([Run(f"t{number}", number) for number in range(1000)]))
    shown = await state(activity)

    assert shown["running"] == 1000
    assert [turn.id for turn in shown["turns"]] == [f"t{number}" for number in range(999, 799, -1)]


async def opened(slot, *running):
    """The activity of a worker that starts; files are read outside of the event loop, as at the start."""
    return await asyncio.to_thread(Activity, new_admission(running), slot)


async def test_a_worker_knows_what_the_others_do(tmp_path):
    slots = [Slot(tmp_path, number) for number in range(3)]
    workers = [await opened(slot, Run(f"t{slot.number}", slot.number)) for slot in slots]
    for worker, slot in zip(workers, slots, strict=True):
        worker.finished(outcome(owner="a"))
        await worker.save(slot)
    for worker in workers:
        shown = await worker.state(time.time())

        assert [turn.id for turn in shown["turns"]] == ["t2", "t1", "t0"]
        assert [(model["name"], model["turns"]) for model in shown["models"]] == [("glm-4.6", 3)]
        assert [(key["name"], key["turns"]) for key in shown["keys"]] == [("a", 3)]


async def test_a_dead_worker_leaves_its_figures_and_no_turns(tmp_path):
    slot = Slot(tmp_path, 1)
    dead = await opened(slot, Run("t1", 1))
    dead.finished(outcome())
    await dead.save(slot)
    await asyncio.to_thread(clear_gauges, tmp_path, 1)

    for activity in (await opened(Slot(tmp_path, 0)), await opened(slot)):
        shown = await activity.state(time.time())
        assert shown["turns"] == []
        assert shown["models"][0]["turns"] == 1


async def test_a_worker_that_ends_in_order_leaves_its_last_figures(tmp_path):
    slot = Slot(tmp_path, 1)
    worker = await opened(slot)
    worker.open()
    worker.finished(outcome())
    await worker.close()

    assert (await (await opened(slot)).state(time.time()))["models"][0]["turns"] == 1


def test_a_damaged_file_is_passed_over(tmp_path):
    (tmp_path / "running-1").write_text("[{")
    (tmp_path / "hour-0").write_text("oops")
    activity = Activity(new_admission(), Slot(tmp_path, 0))

    assert asyncio.run(state(activity))["turns"] == []
