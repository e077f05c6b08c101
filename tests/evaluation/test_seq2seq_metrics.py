"""Figures of answers equal those worked out by hand, and those of the field's own tools."""

import logging
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.errors import UnknownName, UsageError
from rnngen.evaluation.seq2seq_metrics import (
    bleu,
    bleu_tokenizer,
    chrf,
    common_subsequence,
    rouge,
    score_outputs,
    sequence_accuracy,
    token_accuracy,
    tokens,
    words,
)

FIGURES = [bleu, chrf, rouge, sequence_accuracy, token_accuracy, score_outputs]
CAT = "the cat sat on the mat"


# ── BLEU and chrF ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (CAT, "the cat sat on a mat"),
        ("他今天很高兴", "他昨天很高兴"),
        ("กขคงจฉ", "กฮคงจฉ"),
    ],
)
def test_bleu_equals_the_geometric_mean_of_precisions_by_hand(answer, reference):
    precisions = 5 / 6 * 3 / 5 * 2 / 4 * 1 / 3
    assert bleu([answer], [reference]) == pytest.approx(100 * precisions**0.25)


def test_bleu_of_a_short_answer_pays_the_brevity_penalty():
    assert bleu(["a b c d e"], ["a b c d e f g"]) == pytest.approx(100 * 2.718281828459045 ** (1 - 7 / 5))


def test_bleu_counts_over_the_set_and_is_no_mean_of_answers():
    answers, references = ["a b c d e", "v"], ["a b c d e", "w"]
    assert bleu(answers, references) == pytest.approx(100 * (5 / 6) ** 0.25)


def test_bleu_takes_each_n_gram_from_whichever_reference_has_it():
    answers = ["the cat sat down there now"]
    both = [["the cat sat down", "sat down there now then"]]
    assert bleu(answers, both) == pytest.approx(100 * (6 / 6 * 5 / 5 * 4 / 4 * 2 / 3) ** 0.25)


def test_chrf_equals_the_f_score_by_hand():
    precision, recall = (3 / 4 + 2 / 3 + 1 / 2) / 3, 1.0  # n = 4 has no reference, and does not count
    assert chrf(["abcd"], ["abc"]) == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))


@pytest.mark.parametrize(
    ("tokenizer", "references"),
    [
        ("13a", ["It's very easy to sound natural."]),
        ("13a", ["2024-03-05", "17"]),
        ("13a", ["", "?!"]),
        ("13a", ["Он живёт здесь", "नमस्ते दुनिया"]),
        ("13a", ["to say 你好 in Chinese"]),
        ("zh", ["听起来自然非常容易。"]),
        ("zh", ["2024年3月5日"]),
        ("zh", ["三百二十一"]),
        ("zh", ["使用 TensorFlow 训练模型"]),
        ("zh", [["汤姆在家。", "Tom在家里。"], ["你好！"]]),
        ("char", ["東京都に行きます", "ラーメン"]),
        ("char", ["日本語の文章を"]),
        ("char", ["저는 학생입니다"]),
        ("char", ["สวัสดีครับ"]),
    ],
)
def test_the_tokenizer_follows_the_script_and_stands_in_the_signature(tokenizer, references):
    assert bleu_tokenizer(references) == tokenizer
    answers = ["x"] * len(references)
    assert f"|tok:{tokenizer}|" in score_outputs(answers, references).signature


def test_the_tokenizer_asked_for_is_the_one_used():
    answers, references = ["Well,done"], ["Well,don't"]
    assert "|tok:char|" in score_outputs(answers, references, tokenize="char").signature
    assert bleu(answers, references, tokenize="char") > bleu(answers, references, tokenize="none") == 0


def test_an_unknown_tokenizer_is_told_with_the_closest_one():
    with pytest.raises(UnknownName, match=r"'chr'.*'char'"):
        bleu(["a"], ["a"], tokenize="chr")


def test_a_tokenizer_that_needs_a_package_says_which(monkeypatch):
    from sacrebleu.tokenizers import tokenizer_ja_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(UsageError, match=r"ja-mecab.*pip install sacrebleu\[ja\]"):
        bleu(["a"], ["a"], tokenize="ja-mecab")


def test_single_words_that_are_right_are_worth_something_in_bleu():
    assert bleu(["12", "7"], ["12", "8"]) == pytest.approx(50)
    assert "|eff:yes|tok:" in score_outputs(["12"], ["12"]).signature


def test_one_reference_of_four_tokens_makes_bleu_the_usual_one():
    assert bleu(["12", "x"], ["12", "a b c d"]) == 0
    assert "|eff:no|tok:" in score_outputs(["12", "x"], ["12", "a b c d"]).signature


def test_the_signature_counts_the_references():
    def counted(references):
        return re.findall(r"\|nrefs:(\w+)\|", score_outputs(["a", "b"], references).signature)

    assert counted(["a", "b"]) == ["1", "1"]
    assert counted([["a", "c"], ("b", "d")]) == ["2", "2"]
    assert counted([["a", "c", "e"], ["b"]]) == ["var", "var"]


def test_nothing_is_logged_of_answers_that_look_tokenized(caplog):
    lines = ["it rains ."] * 200
    with caplog.at_level(logging.DEBUG):
        score_outputs(lines, lines)
    assert caplog.records == []


# ── ROUGE ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (
            "The quick brown fox jumps over the lazy dog",
            "The quick brown dog jumps on the log.",
            (70.58823529411765, 26.666666666666668, 58.82352941176471),
        ),
        ("Police killed the gunman", "The gunman police killed", (100, 66.66666666666666, 50)),
        (
            "It's very easy to sound natural.",
            "It is very easy, sounding natural!",
            (61.53846153846153, 18.18181818181818, 61.53846153846153),
        ),
        (
            "the the the cat",
            "the cat the cat sat",
            (66.66666666666666, 28.571428571428577, 66.66666666666666),
        ),
        ("a_b  state-of-the-art 3.14", "a b state of the art, 3 14", (100, 100, 100)),
        ("yes", "Yes.", (100, 0, 100)),
        ("", "something", (0, 0, 0)),
        ("?!", "?!", (0, 0, 0)),
    ],
)
def test_rouge_of_english_equals_the_package_rouge_score(answer, reference, expected):
    """The figures that rouge-score 0.1.2 gives with ``use_stemmer=False``, times 100."""
    assert rouge([answer], [reference]) == pytest.approx(expected)


def test_rouge_takes_the_best_reference_for_each_figure():
    """As ``RougeScorer.score_multi``; in the second set the best ROUGE-1 is not the best ROUGE-2's."""
    assert rouge(["a dog sat off"], [["the cat sat", "a dog ran off"]]) == pytest.approx((75, 100 / 3, 75))
    assert rouge(["a b c d"], [["a b x y z w", "d c b a"]]) == pytest.approx((100, 25, 40))


def test_rouge_is_the_mean_of_the_answers():
    assert rouge(["a b", "c d"], ["a b", "x y"]) == pytest.approx((50, 50, 50))


def test_rouge_counts_characters_where_words_are_not_spaced():
    assert rouge(["我很高兴。"], ["他很高兴"]) == pytest.approx((75, 200 / 3, 75))
    assert rouge(["ÉTÉ Été"], ["été hiver"])[0] == pytest.approx(50)


def table_of_common_subsequence(left, right):
    table = Counter()
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            table[i, j] = table[i - 1, j - 1] + 1 if a == b else max(table[i - 1, j], table[i, j - 1])
    return table[len(left), len(right)]


@given(st.text("abc", max_size=70), st.text("abcd", max_size=70))
def test_the_longest_common_subsequence_is_that_of_the_table(left, right):
    assert common_subsequence(left, right) == table_of_common_subsequence(left, right)


# ── accuracies ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "reference", "share"),
    [
        ("a b c d", "a b c d", 1),
        ("a x c d", "a b c d", 3 / 4),
        ("a b", "a b c d", 2 / 4),  # what is missing costs
        ("a b c d e", "a b c d", 4 / 5),  # so does what is too much
        ("x a b c", "a b c", 0),  # a place is a place
        ("A b", "a b", 1 / 2),
        ("a b", "a b.", 2 / 3),
        ("a  b\n", "a b", 1),
        ("2024-03-05", "2024-03-06", 4 / 5),
        ("我住在3号楼", "我住在4号楼", 5 / 6),
        ("", "a", 0),
        ("", "", 1),
    ],
)
def test_token_accuracy_is_the_share_of_places_that_agree(answer, reference, share):
    assert token_accuracy([answer], [reference]) == pytest.approx(100 * share)


def test_token_accuracy_weighs_answers_by_their_length():
    assert token_accuracy(["a", "x y z"], ["a", "p q r"]) == pytest.approx(25)


def test_token_accuracy_takes_the_closest_reference():
    assert token_accuracy(["a b c"], [["x y z", "a b", "a b z"]]) == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("answer", "reference", "equal"),
    [
        ("a b", "a b", True),
        ("a b\n", "a b", True),
        ("a b", "a b\r\n", True),
        ("", "", True),
        ("a b\n\n", "a b", False),
        ("a b ", "a b", False),
        (" a b", "a b", False),
        ("a  b", "a b", False),
        ("A b", "a b", False),
        ("e\u0301", "é", False),
    ],
)
def test_sequence_accuracy_forgives_a_line_end_and_nothing_else(answer, reference, equal):
    assert sequence_accuracy([answer], [reference]) == 100 * equal


def test_sequence_accuracy_accepts_any_of_the_references():
    assert sequence_accuracy(["b", "d", "e"], [["a", "b"], ["c"], ("e",)]) == pytest.approx(200 / 3)


# ── tokens ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 5 o'clock.", ["It", "'", "s", "5", "o", "'", "clock", "."]),
        ("我住在3号楼。", [*"我住在", "3", *"号楼。"]),
        ("二〇二四年", [*"二〇二四年"]),
        ("時々ラーメン", [*"時々ラーメン"]),
        ("저는 학생", ["저는", "학생"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ที่รัก", ["ที่", "รั", "ก"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("cafe\u0301 snake_case", ["cafe\u0301", "snake", "_", "case"]),
        ("\u0301 \t\n", ["\u0301"]),
        ("\ufeffที่\u200bรัก", ["ที่", "รั", "ก"]),  # a byte-order mark, a zero-width space
    ],
)
def test_tokens_suit_the_script(text, expected):
    assert tokens(text) == expected


@given(st.text(st.characters(exclude_categories=["Z", "Cc", "Cf"])))
def test_tokens_lose_nothing_but_spaces(text):
    assert "".join(tokens(text)) == text


@given(st.text())
def test_words_are_the_tokens_that_begin_with_a_letter_or_a_number(text):
    assert words(text) == [t for t in tokens(text.lower()) if t[0].isalpha() or t[0].isnumeric()]


# ── all of them ────────────────────────────────────────────────────────────────────────────────────────────


def test_all_figures_stand_under_their_names():
    answers, references = ["the cat sat on a mat\n", "no"], [[CAT, "a cat"], ["no", "nay"]]
    told = asdict(score_outputs(answers, references))
    one, two, longest = rouge(answers, references)
    assert re.sub(r"version:[\d.]+", "version:", told.pop("signature")) == (
        "BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version: "
        "chrF2|nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:"
    )
    assert told == {
        "bleu": bleu(answers, references),
        "chrf": chrf(answers, references),
        "rouge1": one,
        "rouge2": two,
        "rougeL": longest,
        "token_accuracy": token_accuracy(answers, references),
        "sequence_accuracy": sequence_accuracy(answers, references),
    }


@pytest.mark.parametrize("line", ["the cat sat on the mat .", "听起来自然非常容易。", "저는 오늘 학생입니다"])
def test_answers_that_are_right_score_a_hundred_and_no_more(line):
    told = asdict(score_outputs([line] * 3, [line] * 3))
    del told["signature"]
    assert set(told.values()) == {100}


@pytest.mark.parametrize("line", ["the cat sat on the mat", "听起来自然非常容易"])
def test_no_answers_written_score_nothing(line):
    told = asdict(score_outputs(["", ""], [line, line]))
    del told["signature"]
    assert set(told.values()) == {0}


@pytest.mark.parametrize("figure", FIGURES)
def test_no_answers_at_all_are_an_error(figure):
    with pytest.raises(ValueError, match="no outputs"):
        figure([], [])


@pytest.mark.parametrize("figure", FIGURES)
def test_unequal_counts_are_an_error_that_names_both(figure):
    with pytest.raises(ValueError, match="3 outputs and 2 references"):
        figure(["a", "b", "c"], ["a", "b"])


@pytest.mark.parametrize("figure", FIGURES)
def test_an_answer_without_a_reference_is_an_error_that_names_it(figure):
    with pytest.raises(ValueError, match="output 2 has no reference"):
        figure(["a", "b"], [["a"], []])


def test_importing_the_figures_imports_no_sacrebleu():
    code = "import sys, rnngen.evaluation.seq2seq_metrics; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert not {"sacrebleu", "numpy", "torch", "lxml"} & set(done.stdout.split())
