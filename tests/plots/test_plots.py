"""Pictures in files: all words and weights are in them, escaped, and nothing else; weight is darkness."""

import contextlib
import re
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rnngen import plots
from rnngen.errors import RnngenError, UsageError
from rnngen.generation.alignment import Alignment
from rnngen.plots import grid, html, png, sheet, svg
from rnngen.plots.grid import Alignments
from rnngen.plots.sheet import label

SVG = "{http://www.w3.org/2000/svg}"
TITLE = 'a <b>"title"</b> & \x1b more'
WEIGHTS = np.array([[0.82, 0.1, 0.08, 0.0], [0.0, 0.031, 0.0, 0.969], [0.25, 0.25, 0.0, 0.5]], np.float32)
HOSTILE = Alignment(("<script>", "&amp;", " it's", ""), ("听", "]]>", '"x"\n'), WEIGHTS)
PLAIN = Alignment(("How", " are", " you", ""), ("wie", " geht", " es"), WEIGHTS)


@pytest.fixture
def saved(tmp_path):
    """Draws alignments into a file of some kind, and gives back its path."""

    def go(alignments, kind, title=TITLE):
        path = tmp_path / f"map.{kind}"
        plots.save(Alignments(alignments, title), path)
        return path

    return go


class Page(HTMLParser):
    """The content of a page: its tags with their attributes, and the text in each kind of tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


# ── SVG ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_svg_holds_every_word_and_every_weight(saved):
    root = ET.parse(saved([HOSTILE], "svg")).getroot()
    words = [element.text for element in root.iter(f"{SVG}text")]
    names = [label(text) for text in (*HOSTILE.source, *HOSTILE.target)]
    assert set(names) <= set(words)
    told = {rect[0].text: rect.get("fill") for rect in root.iter(f"{SVG}rect") if len(rect)}
    expected = {
        f"{label(target)} ← {label(source)}: {WEIGHTS[row, column]:.3f}": sheet.colour(WEIGHTS[row, column])
        for row, target in enumerate(HOSTILE.target)
        for column, source in enumerate(HOSTILE.source)
        if WEIGHTS[row, column] > 0
    }
    assert told == expected


def test_svg_tells_its_title_and_its_peaks_to_those_who_cannot_see_it(saved):
    root = ET.parse(saved([HOSTILE], "svg")).getroot()
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == TITLE.replace("\x1b", "\\x1b")
    assert "听 ← <script> (0.82)" in root.find(f"{SVG}desc").text


def test_svg_keeps_all_that_it_draws_inside(saved):
    root = ET.parse(saved([PLAIN, HOSTILE], "svg")).getroot()
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in list(root.iter(f"{SVG}rect"))[1:]:
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x")) < width
        assert 0 < float(text.get("y")) < height


def test_several_sentences_stand_below_one_another_in_svg(saved):
    root = ET.parse(saved([PLAIN, PLAIN], "svg", "two")).getroot()
    heights = [float(text.get("y")) for text in root.iter(f"{SVG}text") if text.text == "wie"]
    assert heights[1] - heights[0] > len(PLAIN.target) * grid.CELL


def laid_out(alignments, measure):
    drawn = sheet.Sheet(measure)
    grid.Grids(alignments, "").lay_out(drawn)
    return drawn


def test_long_words_are_slanted_and_short_ones_are_not():
    for words, slanted in ((("a", "你"), False), (("a", "natural"), True)):
        drawn = laid_out([Alignment(words, ("x",), WEIGHTS[:1, :2])], svg.estimate)
        texts = [mark for mark in drawn.marks if isinstance(mark, sheet.Words) and mark.text in words]
        assert [mark.slanted for mark in texts] == [slanted] * 2


# ── HTML ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_html_holds_both_sentences_and_every_weight(saved):
    page = Page(saved([HOSTILE], "html").read_text("utf-8"))
    names = [label(text) for text in (*HOSTILE.source, *HOSTILE.target)]
    assert page.texts["button"] == names
    assert page.texts["th"] == names
    corner, *cells = page.texts["td"]
    assert corner == ""
    assert cells == [f"{100 * weight:.0f}" for weight in WEIGHTS.reshape(-1)]
    styles = [cell["style"] for cell in page.all("td")[1:]]
    assert styles == [f"--weight:{weight:.3f}" for weight in WEIGHTS.reshape(-1)]
    assert page.texts["h1"] == page.texts["title"] == [TITLE.replace("\x1b", "\\x1b")]


def test_html_can_be_read_by_ear_and_by_keys(saved):
    page = Page(saved([HOSTILE, PLAIN], "html").read_text("utf-8"))
    assert [region["aria-label"] for region in page.all("section")] == ["Sentence 1", "Sentence 2"]
    assert all(table["aria-label"] for table in page.all("table"))
    assert all(button["type"] == "button" for button in page.all("button"))
    assert [output["aria-live"] for output in page.all("output")] == ["polite", "polite"]
    assert {head["scope"] for head in page.all("th")} == {"row", "col"}


def test_the_page_and_its_script_turn_ink_over_at_one_weight(saved):
    script = saved([PLAIN], "html").read_text("utf-8").partition("<script>")[2]
    assert f"weight >= {html.STRONG})" in script


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_nothing_outside_the_file_is_referred_to(saved, kind):
    text = saved([HOSTILE], kind).read_text("utf-8")
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg\")", text)
    assert not re.search(r"\b(src|href|srcset|data|action)\s*=|url\(|@import|fetch\(|import\(", text)
    if kind == "html":
        assert "default-src 'none'" in text


# ── PNG ────────────────────────────────────────────────────────────────────────────────────────────────────


def cells_of(alignment):
    """The cells on the sheet that the PNG of an alignment is drawn from."""
    used = png.Fonts()
    drawn = laid_out([alignment], lambda text, size: used.measure(text, 2 * size) / 2)
    return [mark for mark in drawn.marks if isinstance(mark, sheet.Box) and mark.about]


def test_png_is_darkest_where_weights_are_highest(saved):
    alignment = Alignment(("a", "b", "c", "d"), ("x", "y", "z"), WEIGHTS)
    with Image.open(saved([alignment], "png", "")) as image:
        assert image.format == "PNG"
        gray = image.convert("L")
    found = {}
    for box in cells_of(alignment):  # near its corner, where no number stands
        found[float(box.about[-5:])] = gray.getpixel((round(2 * box.x) + 6, round(2 * box.y) + 6))
    assert sorted(found, key=found.get, reverse=True) == sorted(found)
    assert found[0.969] < 60


def test_png_writes_words_beside_the_grid(saved):
    with Image.open(saved([PLAIN], "png", "")) as image:
        gray = np.asarray(image.convert("L"))
    boxes = cells_of(PLAIN)
    left, top = round(2 * min(box.x for box in boxes)), round(2 * min(box.y for box in boxes))
    assert gray[:top, left:].min() < 100  # the source
    assert gray[top:, : left - 4].min() < 100  # the target
    assert (gray[:, -2:] == 255).all()
    assert (gray[-2:] == 255).all()


def openable(places):
    """The fonts that can be opened, of some."""
    for place in places:
        with contextlib.suppress(OSError):
            png.Face(*place).at(20)
            yield place


def test_chinese_is_drawn_or_refused_but_never_as_boxes(saved):
    alignment = Alignment(("easy",), ("易",), np.ones((1, 1), np.float32))
    if not any(png.Face(*place).draws("易") for place in openable(png._places("易"))):
        with pytest.raises(RnngenError, match=r"易 \(U\+6613\); write a \.svg or a \.html"):
            saved([alignment], "png")
        return
    assert saved([alignment], "png").stat().st_size > 0
    assert png.Fonts().measure("易", 20) > 10


def test_a_character_that_no_font_has_is_named_with_the_way_out(saved, monkeypatch, tmp_path):
    monkeypatch.setattr(png, "_places", lambda characters: iter(()))
    with pytest.raises(RnngenError, match=r"易 \(U\+6613\); write a \.svg or a \.html") as refused:
        saved([Alignment(("easy",), ("易",), np.ones((1, 1), np.float32))], "png")
    assert refused.value.exit_status == 1
    assert list(tmp_path.iterdir()) == []


def test_signs_of_our_own_need_no_font(saved, monkeypatch):
    monkeypatch.setattr(png, "_places", lambda characters: iter(()))
    odd = Alignment(("", " ", "\n", "\t"), ("\r", "\ufffd", "long" * 20), WEIGHTS)
    assert saved([odd], "png", "").stat().st_size > 0
    assert [part for _, part in png.Fonts().runs("∎a")] == ["(end)a"]


def test_files_that_are_no_fonts_are_passed_over(monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(png, "_asked", lambda characters: iter([(str(tmp_path / "gone.ttf"), 0)]))
    monkeypatch.setattr(png, "FOLDERS", (str(tmp_path), str(tmp_path / "nowhere")))
    assert png.Fonts().measure("abc", 20) > 20


def test_runs_join_to_the_text_and_accents_stay_with_their_letters():
    text = "ae\u0301 z"
    runs = list(png.Fonts().runs(text))
    assert "".join(part for _, part in runs) == text
    assert not any(part.startswith("\u0301") for _, part in runs)


def test_without_pillow_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RnngenError, match=r"pip install 'rnngen\[plot\]'"):
        plots.chosen(tmp_path / "map.png")
    assert plots.chosen(tmp_path / "map.svg")


def test_a_picture_too_large_to_open_is_refused(monkeypatch, saved):
    monkeypatch.setattr(png, "MOST", 10_000)
    with pytest.raises(UsageError, match=r"write a \.html"):
        saved([PLAIN], "png")


# ── All of them ────────────────────────────────────────────────────────────────────────────────────────────


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_numbers_stand_out_from_every_colour():
    assert min(contrast(sheet.colour(at / 100), sheet.ink(at / 100)) for at in range(101)) > 4


@pytest.mark.parametrize("kind", ["svg", "html", "png", "HTM", "PNG"])
def test_the_same_alignment_is_the_same_bytes(saved, kind):
    assert saved([PLAIN], kind).read_bytes() == saved([PLAIN], kind).read_bytes()


@pytest.mark.parametrize("kind", ["svg", "html", "png"])
@pytest.mark.parametrize(
    "alignments",
    [
        [],
        [Alignment((), (), np.zeros((0, 0), np.float32))],
        [Alignment(("a",), (), np.zeros((0, 1), np.float32))],
    ],
)
def test_nothing_is_a_picture_too(saved, kind, alignments):
    assert saved(alignments, kind, "").stat().st_size > 0


@pytest.mark.parametrize("name", ["map", "map.jpg", "map.pdf", ".svg"])
def test_another_name_is_refused_with_those_that_are_not(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.html"):
        plots.save(Alignments([PLAIN], ""), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "map.svg").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        plots.chosen(tmp_path / "map.svg")


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(saved, monkeypatch, tmp_path):
    (tmp_path / "map.png").write_bytes(b"old")
    monkeypatch.setattr(png, "_places", lambda characters: iter(()))
    with pytest.raises(RnngenError):
        saved([Alignment(("易",), ("x",), np.ones((1, 1), np.float32))], "png")
    assert (tmp_path / "map.png").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "∎"),
        (" word", "word"),
        ("  ", "␣␣"),
        ("\n", "⏎"),
        ("a\tb", "a⇥b"),
        ("\x1b", "\\x1b"),
        ("\ufffe", "\ufffd"),
        ("\u0301", "◌\u0301"),
        ("\u200b", "\\u200b"),
        ("\u3000", "␣"),
        ("你 好", "你 好"),
    ],
)
def test_labels_show_all_that_is_there(text, shown):
    assert label(text) == shown
