"""The encodings that are named for a text: the right one is among them, and read it as it was written."""

import pytest

from rnngen.encodings.guess import likely

TEXTS = {
    "It’s a fine day, isn’t it? “Yes,” she said.": ["cp1252"],
    "Où est-il, l'été ? À Nîmes.": ["cp1252", "macintosh", "cp850"],
    "naïve café": ["cp1252", "macintosh", "cp437"],
    "Über die Brücke gehen größere Mädchen, weiß ich.": ["cp1252", "cp850", "macintosh"],
    "Мой дядя самых честных правил, когда не в шутку занемог": ["cp1251", "koi8-r", "cp866", "iso-8859-5"],
    "Привет, мир": ["cp1251", "koi8-r", "cp866"],
    "Ще не вмерла України і слава, і воля": ["cp1251", "koi8-u"],
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。": ["shift_jis", "euc-jp"],
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。": ["gb18030"],
    "你好": ["gb18030"],
    "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。": ["big5"],
    "동해물과 백두산이 마르고 닳도록 하느님이 보우하사 우리나라 만세": ["euc-kr"],
    "Příliš žluťoučký kůň úpěl ďábelské ódy": ["cp1250", "iso-8859-2", "cp852"],
    "Zażółć gęślą jaźń. Łódź była piękna, mówił chłopiec.": ["cp1250", "iso-8859-2", "cp852"],
    "Árvíztűrő tükörfúrógép, a hűséges őr": ["cp1250"],
    "Ένα ωραίο πρωινό ξύπνησα": ["cp1253", "iso-8859-7"],
    "שלום עולם טוב": ["cp1255"],
    "مرحبا بالعالم الجميل": ["cp1256"],
    "Türkçe ağaç ışık şeker güzel bir gün değil mi": ["cp1254"],
    "สวัสดีชาวโลก": ["cp874"],
}


def guessed(data):
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return likely(data, error.start)
    raise AssertionError("it is UTF-8")


@pytest.mark.slow
@pytest.mark.parametrize("repeated", [1, 40])
@pytest.mark.parametrize(("text", "encoding"), [(text, one) for text, some in TEXTS.items() for one in some])
def test_the_right_encoding_is_among_those_that_are_named(text, encoding, repeated):
    whole = f"{text}\n" * repeated
    candidates = guessed(whole.encode(encoding))
    assert whole in [whole.encode(encoding).decode(one.encoding, "replace") for one in candidates]
    assert any(one.snippet in text for one in candidates)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("It’s", "cp1252"),
        ("Où est-il, l'été ? À Nîmes.", "cp1252"),
        ("窗前明月光，疑是地上霜。举头望明月，低头思故乡。", "gb18030"),
        ("Мой дядя самых честных правил", "cp1251"),
        ("Мой дядя самых честных правил", "koi8-r"),
        ("吾輩は猫である。名前はまだ無い。", "shift_jis"),
        ("白日依山盡，黃河入海流。", "big5"),
    ],
)
def test_the_first_is_the_right_one_where_there_is_no_doubt(text, encoding):
    first = guessed(f"{text}\n".encode(encoding) * 50)[0]
    assert first.encoding == encoding
    assert first.snippet in text


@pytest.mark.parametrize("data", [b"It\x92s\n" * 400, bytes(range(1, 256)), b"caf\xe9\x81\n"])
def test_latin1_is_never_named(data):
    names = {one.encoding for one in guessed(data)}
    assert not names & {"latin-1", "iso-8859-1"}


def test_candidates_differ_and_so_do_their_snippets():
    """Where two read the place alike, the snippet is from where they do not."""
    candidates = guessed(b"It\x92s\nna\xefve\n" * 20)
    snippets = [one.snippet for one in candidates]
    assert len(set(snippets)) == len(snippets) > 1


def test_a_candidate_allows_all_that_is_there():
    data = "é\n".encode("cp1252") * 20_000 + b"\x81\n"  # which cp1252 has not
    assert "cp1252" not in {one.encoding for one in guessed(data)}
