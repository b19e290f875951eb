"""Numbers in shared memory: found again by any process, whatever ended the one that wrote them."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.server.metrics import cells as module
from headrace.server.metrics.cells import SIZE, open_cells, read_cells

KEYS = st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc"]), min_size=1, max_size=40)
SERIES = st.dictionaries(KEYS, st.lists(st.floats(allow_nan=False), min_size=1, max_size=30), max_size=20)


def values(cells):
    return {key: list(numbers) for key, numbers in cells.items()}


@given(SERIES)
def test_what_is_written_is_read(series):
    cells = open_cells(None)
    for key, numbers in series.items():
        cells.series(key, len(numbers))[:] = memoryview(mmap_of(numbers)).cast("d")

    assert values(cells) == series
    assert values(module.Cells(cells._memory)) == series  # as another process finds it


def mmap_of(numbers):
    memory = bytearray(8 * len(numbers))
    view = memoryview(memory).cast("d")
    for at, number in enumerate(numbers):
        view[at] = number
    return memory


def test_a_file_is_continued_and_keeps_its_size(tmp_path):
    path = tmp_path / "cells"
    for _ in range(3):
        cells = open_cells(path)
        cells.series("requests", 1)[0] += 1
        cells.series("seconds", 4)[3] += 0.5

        assert path.stat().st_size == SIZE
    assert values(read_cells(path)) == {"requests": [3.0], "seconds": [0.0, 0.0, 0.0, 1.5]}


def test_a_reader_sees_what_is_written_after_it_has_opened_the_file(tmp_path):
    cells = open_cells(tmp_path / "cells")
    reader = read_cells(tmp_path / "cells")
    cells.series("a", 2)[1] = 7.0

    assert values(reader) == {"a": [0.0, 7.0]}


def test_a_file_that_is_being_created_has_nothing(tmp_path):
    (tmp_path / "cells").touch()

    assert read_cells(tmp_path / "cells") is None


def test_without_room_a_series_counts_but_is_not_shared(caplog):
    cells = module.Cells(mmap.mmap(-1, 4096))
    for number in range(200):
        cells.series(f"series {number}", 4)[0] += 1
    shared = values(cells)

    assert 0 < len(shared) < 200
    assert all(numbers == [1.0, 0.0, 0.0, 0.0] for numbers in shared.values())
    assert "there is no room for the metric series 199" in caplog.text
    assert values(module.Cells(cells._memory)) == shared


@pytest.mark.parametrize("end", range(0, 64, 8))
def test_a_process_that_is_killed_while_it_adds_a_series_damages_nothing(end):
    """Memory as it is after some of the stores of an addition: the sizes are stored last."""
    cells = module.Cells(mmap.mmap(-1, 4096))
    cells.series("first", 1)[0] = 1.0
    sizes = cells._end
    complete = module.Cells(mmap.mmap(-1, 4096))
    complete.series("first", 1)[0] = 1.0
    complete.series("a second series", 2)
    cells._memory[sizes + 8 : sizes + 8 + end] = complete._memory[sizes + 8 : sizes + 8 + end]

    assert values(module.Cells(cells._memory)) == {"first": [1.0]}
