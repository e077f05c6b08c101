"""A model as one page: in headless Chromium it writes what ``rnngen sample`` writes, to the character."""

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Output(HTMLParser):
    """The text of the page's output."""

    def __init__(self, page):
        super().__init__()
        self.text, self.inside, self.done = "", False, False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "output":
            self.inside, self.done = True, ("data-done", "true") in attrs

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "output"

    def handle_data(self, data):
        self.text += data if self.inside else ""


def shown(page, tmp_path, **asked):
    """Open a page that generates at once, and return the text in it."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
    address = f"file://{page}#{urlencode(asked)}"
    done = subprocess.run(
        [CHROMIUM, *flags, profile, address], capture_output=True, text=True, timeout=120, check=True
    )
    output = Output(done.stdout)
    assert output.done, done.stderr[-2000:]
    return output.text


@pytest.fixture
def gru_and_rnn(run, shelf, trained, tiny):
    """Models of the other cells, with an n-gram, two layers, and what else steps may have."""
    sizes = [*tiny, "--steps", "12", "--layers", "2", "--learn-state"]
    run("train", trained / "tale.txt", "--name", "gru", "--cell", "gru", "-q", *sizes, "--ngram", "4")
    options = ["-o", "activation=relu", "-o", "zoneout_h=0.1", "-o", "layer_norm=true"]
    run("train", trained / "tale.txt", "--name", "rnn", "--cell", "rnn", "-q", *sizes, *options)


@in_browser
@pytest.mark.slow
def test_a_page_writes_what_sample_writes(run, gru_and_rnn, place, tmp_path):
    for name, prompt in (("tale", "the cät "), ("names", "A"), ("gru", ""), ("rnn", "Anna ")):
        run("export", name, "--web", "-o", f"page-{name}")
        page = place / f"page-{name}" / "index.html"
        for seed, settings in ((7, {}), (2**40 + 3, {"temperature": 1.2, "topK": 5, "topP": 0.8})):
            flags = ["--temp", 1.2, "--top-k", 5, "--top-p", 0.8] if settings else []
            expected = run(
                "sample", "-m", name, "-q", "-n", 60, "-s", seed, *flags, "--", prompt, stdin=""
            ).out
            found = shown(page, tmp_path, prompt=prompt, seed=seed, length=60, **settings)
            assert found == expected.removesuffix("\n" if name == "names" else "")


def test_a_page_asks_nothing_of_anybody(run, shelf, place):
    run("export", "tale", "--web", "-o", "page")
    page = (place / "page" / "index.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|src=|import\s|fetch\(", unescape(page))
    assert "exists already" in run("export", "tale", "--web", "-o", "page", status=2).err
    run("export", "tale", "--web", "-o", "page", "--force")


def test_a_page_has_the_normal_form_as_javascript_names_it(run, trained, tiny, place):
    text = trained / "tale.txt"
    run("train", text, "--name", "nfc", "--normalize", "nfc", "-q", *tiny, "--steps", 1)
    run("export", "nfc", "--web", "-o", "page")
    assert re.search(r'"form": ?"NFC"', unescape((place / "page" / "index.html").read_text()))


@pytest.mark.slow
def test_what_has_no_javascript_is_refused_by_name(run, models, trained, tiny, place):
    assert "reads sources" in run("export", "pairs", "--web", status=2).err
    text = trained / "tale.txt"
    run("train", text, "--name", "bpe", "--tokenizer", "bpe", "--vocab-size", 300, "-q", *tiny, "--steps", 1)
    assert "tokenizer" in run("export", "bpe", "--web", status=2).err
    run("train", text, "--name", "mix", "-q", *tiny, "--steps", 1, "--head", "mixture")
    assert "output layer" in run("export", "mix", "--web", status=2).err
    (place / "file").write_text("")
    assert "is a file" in run("export", "tale", "--web", "-o", "file", status=2).err
    assert "standard output" in run("export", "tale", "--web", "-o", "-", status=2).err
