"""Modules that lie in a folder of the user's: found, imported, unpickled elsewhere, and never in the place of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctaplib.errors import ConfigError
from ctaplib.find import check_method_path, find, names

METHOD = """from ctaplib.methods.base import Method
METHOD = Method(name="toy", title="Toy", abilities=frozenset(), tasks={"pretrain": "toy"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"methods/toy.py": METHOD, "models/toy_model.py": "class Toy:\n    pass\n", "conf/toy.yaml": ""}.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path / "mine"


def run(code: str, folder: Path | str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CTAP_METHOD_PATH": str(folder)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)


def test_modules_of_a_folder_are_found_and_imported_also_by_a_worker(folder: Path) -> None:
    code = (
        "from multiprocessing import get_context\n"
        "from ctaplib.methods.base import find_method, method_names\n"
        "from ctaplib.models.toy_model import Toy\n"
        "if __name__ == '__main__':\n"
        "    with get_context('spawn').Pool(1) as pool:\n"
        "        print(find_method('toy').title, *method_names(), pool.map(type, [Toy()])[0].__module__)\n"
    )
    done = run(code, folder)
    assert (done.returncode, done.stdout) == (0, "Toy toy vqctap ctaplib.models.toy_model\n"), done.stderr


def test_a_method_file_that_cannot_be_imported_is_named(folder: Path) -> None:
    (folder / "methods" / "toy.py").write_text("METHOD = undefined\n")
    code = "from ctaplib.cli.main import main; raise SystemExit(main(['method', 'toy']))"
    done = run(code, folder)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "ctaplib.methods.toy cannot be imported: NameError" in done.stderr


def test_without_the_variable_nothing_is_searched() -> None:
    assert "toy" not in names("methods")
    with pytest.raises(ConfigError, match=r"there is no 'toy' in ctaplib\.methods; expected one of vqctap"):
        find("methods", "toy", "METHOD")


def test_a_folder_that_cannot_serve_is_refused_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, fault in ((folder / "nowhere", "is no folder"), (folder / "conf", "has no folder like those of ctaplib")):
        monkeypatch.setenv("CTAP_METHOD_PATH", f"{folder}{os.pathsep}{other}")
        with pytest.raises(ConfigError, match=rf"{other.name} {fault}; expected .*methods/NAME\.py.*correct --method_path"):
            names("methods")
    done = run("import sys; from ctaplib.cli.main import main; sys.exit(main(['runs', '--help']))", folder / "nowhere")
    assert done.returncode == 1 and "error: CTAP_METHOD_PATH: " in done.stderr and "Traceback" not in done.stderr


def test_a_module_with_the_name_of_another_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "models" / "vqctap.py").write_text("")
    monkeypatch.setenv("CTAP_METHOD_PATH", str(folder))
    with pytest.raises(ConfigError, match=r"mine/models/vqctap\.py has the name of .*ctaplib/models/vqctap\.py"):
        check_method_path()
    (folder / "models" / "vqctap.py").rename(folder / "models" / "other.py")
    (tmp_path / "second" / "models").mkdir(parents=True)
    (tmp_path / "second" / "models" / "other.py").write_text("")
    monkeypatch.setenv("CTAP_METHOD_PATH", os.pathsep.join([str(folder), str(folder), str(tmp_path / "second")]))
    with pytest.raises(ConfigError, match=r"second/models/other\.py has the name of .*mine/models/other\.py"):
        check_method_path()
