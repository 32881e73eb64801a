"""Moved boundaries: in order, inside the audio, and no move is no change."""

import numpy as np
import pytest

from ctaplib.align.topology import to_intervals

OWNER = np.array([-1, 0, 1, 2, -4])
PATH = np.array([0, 0, 1, 2, 2, 3, 4])


@pytest.mark.parametrize("end_s", [0.0301, 0.035, 0.04])
def test_boundaries_stay_in_order_and_inside(end_s: float) -> None:
    found = to_intervals(PATH, OWNER, ["a", "b", "c"], 0.005, end_s, lead_s=0.01)
    times = [i.start_s for i in found] + [found[-1].end_s]
    assert times[0] == 0.0 and times[-1] == end_s
    assert all(a < b for a, b in zip(times, times[1:]))


def test_the_lead_is_added_where_there_is_room() -> None:
    plain = to_intervals(PATH, OWNER, ["a", "b", "c"], 0.005, 1.0)
    moved = to_intervals(PATH, OWNER, ["a", "b", "c"], 0.005, 1.0, lead_s=0.004)
    assert [i.phone for i in plain] == [i.phone for i in moved] == ["sil", "a", "b", "c", "sil"]
    assert [i.start_s for i in plain] == [0.0, 0.01, 0.015, 0.025, 0.03]
    np.testing.assert_allclose([i.start_s for i in moved], [0.0, 0.014, 0.019, 0.029, 0.034])
