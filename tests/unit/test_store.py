"""Archives: what is written is read, without copies, and faults are named."""

import pickle

import kaldiio
import numpy as np
import pytest

from ctaplib.audio.store import ArkWriter, FeatureStore
from ctaplib.errors import DataError


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "b": rng.standard_normal((7, 3)).astype(np.float32),
        "a": rng.standard_normal(5).astype(np.float32),
        "c": rng.integers(0, 512, 9).astype(np.int32),
        "d": rng.standard_normal((4, 2)),
    }


@pytest.fixture
def scp(tmp_path, arrays):
    with ArkWriter(tmp_path / "x.scp") as out:
        for utt, array in arrays.items():
            out[utt] = array
    return tmp_path / "x.scp"


def test_read_what_was_written_here_and_with_kaldiio(scp, arrays) -> None:
    store, peer = FeatureStore(scp), kaldiio.load_scp(str(scp))
    assert list(store) == ["a", "b", "c", "d"]
    for utt, array in arrays.items():
        np.testing.assert_array_equal(store[utt], array)
        np.testing.assert_array_equal(peer[utt], array)
    assert store.lengths() == {"a": 5, "b": 7, "c": 9, "d": 4}


def test_views_are_read_only_and_survive_pickling(scp, arrays) -> None:
    store = pickle.loads(pickle.dumps(FeatureStore(scp)))
    assert not store["b"].flags.writeable and not store["b"].flags.owndata
    np.testing.assert_array_equal(store["b"], arrays["b"])


def test_unknown_utterance_is_named(scp) -> None:
    with pytest.raises(DataError, match=r"x\.scp has no nobody"):
        FeatureStore(scp)["nobody"]


def test_truncated_archive_is_named(scp) -> None:
    ark = scp.with_suffix(".ark")
    ark.write_bytes(ark.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"x\.ark ends inside d"):
        FeatureStore(scp)["d"]


def test_a_failed_write_leaves_the_earlier_archive(scp, arrays) -> None:
    before = scp.with_suffix(".ark").read_bytes(), scp.read_bytes()
    with pytest.raises(DataError, match="z is written twice"), ArkWriter(scp) as out:
        out["z"] = arrays["a"]
        out["z"] = arrays["a"]
    assert (scp.with_suffix(".ark").read_bytes(), scp.read_bytes()) == before
    assert [p.name for p in sorted(scp.parent.iterdir())] == ["x.ark", "x.scp"]
