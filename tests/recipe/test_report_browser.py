"""The page in a real browser: no console error, every player loads its audio, pictures are there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent.parent / "unit"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROBE = """
<script>
window.faults = [];
window.addEventListener('error', event => faults.push(String(event.message || event.target.outerHTML.slice(0, 80))), true);
window.addEventListener('load', () => setTimeout(() => {
  const audio = [...document.querySelectorAll('audio')];
  const report = {
    faults, audio: audio.length,
    loaded: audio.filter(a => a.readyState >= 1 && a.duration > 0 && !a.error).length,
    pictures: document.images.length,
    shown: [...document.images].filter(i => i.complete && i.naturalWidth > 0).length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  document.body.innerHTML = '<pre id="probe"></pre>';
  document.getElementById('probe').textContent = JSON.stringify(report);
}, 3000));
</script>
"""


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium), so the page is not opened in a browser")
    return found


def start(browser, folder, *words):
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.slow
def test_the_page_opens_in_a_browser(browser, tmp_path):
    sys.path.insert(0, str(UNIT))
    from fake_exp import FakeExp

    from ctaplib.evaluate.inputs import Inputs
    from ctaplib.evaluate.rows import RowMaker
    from ctaplib.evaluate.scoring import score
    from ctaplib.report.paper_rows import read_paper_rows
    from ctaplib.report.report import page_html

    fake = FakeExp(tmp_path / "fake")
    inputs = Inputs(exp=fake.exp, align=fake.exp / "align", data=fake.data, dump=fake.dump, lists=fake.lists, sets=fake.sets)
    rows = score(inputs, RowMaker("c0ffee", "./run.sh"), 1)
    page = tmp_path / "index.html"
    page.write_text(page_html("mini", inputs, rows, read_paper_rows(), {"machine": "test"}))
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("<head>", "<head>" + PROBE, 1))
    dumped = start(
        browser, tmp_path, "--enable-logging=stderr", "--v=0", "--virtual-time-budget=15000", "--dump-dom", probed.as_uri()
    )
    assert '<pre id="probe">' in dumped.stdout, dumped.stderr[-2000:]
    found = json.loads(dumped.stdout.rpartition('<pre id="probe">')[2].partition("</pre>")[0])
    assert found["faults"] == []
    assert found["loaded"] == found["audio"] > 40
    assert found["shown"] == found["pictures"] > 50
    assert found["wide"] == 0, "the page is wider than the window"
    console = [line for line in dumped.stderr.splitlines() if ":CONSOLE" in line]
    assert console == []
    picture = tmp_path / "page.png"
    start(browser, tmp_path, "--window-size=1340,2400", f"--screenshot={picture}", page.as_uri())
    assert picture.stat().st_size > 50_000
