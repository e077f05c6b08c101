"""``rnngen report``: one page of everything, self-contained and small; what a model has not is said."""

import re


def test_a_report_holds_every_section_and_nothing_from_outside(run, shelf, place):
    run("report", "-m", "tale", "-o", "report.html", "-q")
    page = (place / "report.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[:3] == ["The model", "Training", "Surprisal"]
    assert len(titles) == 9
    assert re.findall(r"Not shown: [^<]*", page) == ["Not shown: this model attends to nothing."]
    assert len(page.encode()) < 3_000_000
    assert "Content-Security-Policy" in page
    assert not re.search(r'(?:src|href)="', page)
    assert str(place) not in page


def test_a_model_of_pairs_shows_its_attention_and_names_what_it_has_not(run, models, place):
    (place / "two.tsv").write_text("abc\tCBA\nfedcb\tBCDEF\n")
    run("report", "-m", "pairs", "two.tsv", "-o", "report.html", "-q")
    page = (place / "report.html").read_text()
    reasons = re.findall(r"Not shown: ([^<]*)", page)
    assert len(reasons) == 2
    assert "no gates" in reasons[0]
    assert "reads a source" in reasons[1]


def test_a_text_that_is_not_there_is_no_report(run, shelf, place):
    assert "nosuch.txt" in run("report", "-m", "tale", "nosuch.txt", "-o", "r.html", status=3).err
    run("report", "-m", "tale", "--seed", "-1", "-o", "r.html", status=2)
    assert not (place / "r.html").exists()


def test_a_report_is_a_page(run, shelf):
    assert "ends in .html" in run("report", "-m", "tale", "-o", "report.png", status=2).err
