"""Who may read an embedded store: its owner."""

import os
import stat

import pytest

from orchestration.storage.errors import StoreError
from orchestration.storage.store import Store
from tests.storage.conftest import in_own_process


def _modes(folder):
    old = os.umask(0)  # the most that a user's own setting can give away
    try:
        with Store.open(path=folder):
            return {
                name: stat.S_IMODE((folder / name).stat().st_mode) for name in (".", "store.lock")
            }
    finally:
        os.umask(old)


@pytest.mark.parametrize("exists", [False, True])
def test_the_folder_is_its_owners_alone(tmp_path, exists):
    folder = tmp_path / "a" / "store"
    if exists:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    assert in_own_process(_modes, folder) == {".": 0o700, "store.lock": 0o600}


def _open_in(folder):
    with Store.open(path=folder) as store:
        return store.query("SELECT count() AS n FROM raw.trades")["n"][0].as_py()


@pytest.mark.parametrize("name", ["it's; DROP TABLE x --", 'a "b" `c`', "größe %41 &mode=ro #x"])
def test_a_folder_may_have_any_name(tmp_path, name):
    assert in_own_process(_open_in, tmp_path / name) == 0
    assert (tmp_path / name / "engine" / "store").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_whose_name_would_be_options_of_the_engine_is_refused(tmp_path):
    with pytest.raises(StoreError, match="takes what follows a '\\?' for its options"):
        in_own_process(_open_in, tmp_path / "store?mode=ro")
    assert list(tmp_path.iterdir()) == []
