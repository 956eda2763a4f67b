"""Java's regular expressions: syntax, replacement, limits (workflow spec 6.7)."""

from __future__ import annotations

import pytest

from stellwerk.language.expressions import ExpressionError
from stellwerk.language.expressions.java_regex import MAX_PATTERN_LENGTH, JavaRegex

MATCHES = [
    # quantifiers
    (r"a++b", "aab"),
    (r"a*?b", "aab"),
    (r"a{2,}", "aaa"),
    (r"(?>a+)b", "aab"),
    # character classes
    (r"\p{Lower}+", "abc"),
    (r"\p{Ll}", "é"),
    (r"\p{IsLatin}+", "éa"),
    (r"\p{InGreek}", "α"),
    (r"\pL+", "éa"),
    (r"\p{javaLowerCase}", "é"),
    (r"\p{Punct}+", "!@[`~"),
    (r"[a-c&&[^b]]", "c"),
    (r"[^a&&b]", "a"),
    (r"[a[bc]]", "c"),
    (r"[]a]", "]"),
    (r"[a-]", "-"),
    (r"[\d-z]", "-"),
    (r"[|~|~]", "~"),
    (r"[\Q]^\E]+", "]^"),
    (r"(?U)\w", "é"),
    (r"\h", "\xa0"),
    # groups and references
    (r"(?<name>a)\k<name>", "aa"),
    (r"(a)\1", "aa"),
    (r"(a)\11", "aa1"),
    # lines
    (r"(?s).", "\n"),
    (r"(?d).", "\r"),
    (r"a$\n", "a\n"),
    (r"(?m)a$\r\n^b", "a\r\nb"),
    (r"\R", "\r\n"),
    # flags and their scope
    (r"(?i)abc", "ABC"),
    (r"(?iu)é", "É"),
    (r"a(?i)b|c", "C"),
    (r"(?i:a)b", "Ab"),
    (r"(?x) a b # c", "ab"),
    # literals and escapes
    (r"\Qa.b\E+", "a.bb"),
    (r"\x41\u0041\0101\x{1F600}\uD83D\uDE00", "AAA😀😀"),
    (r"\_\-#}]", "_-#}]"),
    (r"\e\t", "\x1b\t"),
]

MATCHES_NOT = [
    (r"a++ab", "aaab"),
    (r"(?>a+)ab", "aaab"),
    (r"\p{Lower}", "é"),
    (r"\d", "٣"),
    (r"\w", "é"),
    (r"\s", "\xa0"),
    (r"\1(a)", "aa"),
    (r"[a-c&&[^b]]", "b"),
    (r"[a\-z]", "m"),
    (r"(?x)[a b]", " "),
    (r".", "\n"),
    (r".", "\u2028"),
    (r"a$", "a\n"),
    (r"(?i)é", "É"),
    (r"(?i)ss", "ß"),
    (r"a(?i)b|c", "AB"),
    (r"(a(?i)b)c", "aBC"),
    (r"a|b", "ab"),
]

REFUSED = [
    *("(", ")", "[", "[a", "*a", "a**", "{", "\\", r"\y", r"\p{Foo}", r"[a--z]", "a{,2}", "a{3,2}"),
    # syntax that only Python's package knows
    *("a{e<=1}", "(?R)", "(?P<n>a)", "(?#c)a", r"\m", r"\L<names>", "(?|a|b)", "(?1)"),
    *("(?<n>a)(?<n>b)", "(?<a_1>x)", r"\k<n>", r"\b{g}"),
    "(" * 200 + ")" * 200,
    "a" * (MAX_PATTERN_LENGTH + 1),
]


@pytest.mark.parametrize(("pattern", "text"), MATCHES)
def test_matches_the_whole_text(pattern: str, text: str) -> None:
    assert JavaRegex(pattern).matches(text)


@pytest.mark.parametrize(("pattern", "text"), MATCHES_NOT)
def test_does_not_match(pattern: str, text: str) -> None:
    assert not JavaRegex(pattern).matches(text)


@pytest.mark.parametrize("pattern", [pytest.param(pattern, id=pattern[:20]) for pattern in REFUSED])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        JavaRegex(pattern)
    assert caught.value.kind == "regex"


@pytest.mark.parametrize(
    ("pattern", "text", "replacement", "expected"),
    [
        ("a*", "aaa", "x", "xx"),
        ("", "ab", "-", "-a-b-"),
        ("b", "abc", "$0$0", "abbc"),
        ("(?<n>b)", "abc", "<${n}>", "a<b>c"),
        ("(b)", "abc", "$12", "ab2c"),
        ("(x)?b", "abc", "[$1]", "a[]c"),
        ("b", "abc", r"\$\\", "a$\\c"),
        ("x", "abc", "$9", "abc"),
    ],
)
def test_replace_all(pattern: str, text: str, replacement: str, expected: str) -> None:
    assert JavaRegex(pattern).replace_all(text, replacement) == expected


@pytest.mark.parametrize("replacement", ["$1", "$", "$x", "${n}", "a\\"])
def test_an_invalid_replacement_is_an_error_when_there_is_a_match(replacement: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        JavaRegex("b").replace_all("abc", replacement)
    assert caught.value.kind == "regex"


def test_groups_of_the_whole_text() -> None:
    pattern = JavaRegex(r"file-(.*((A)|(B)))\.csv")
    assert pattern.groups("file-100B.csv") == ("file-100B.csv", "100B", "B", None, "B")
    assert pattern.groups("x") is None


def test_a_pattern_of_exponential_time_is_stopped() -> None:
    with pytest.raises(ExpressionError, match="takes longer than") as caught:
        JavaRegex("(?:a|aa)+[bc]", time_limit_seconds=0.05).matches("a" * 200)
    assert caught.value.kind == "regex"
    with pytest.raises(ExpressionError, match="takes longer than"):
        JavaRegex("(?:a|aa)+[bc]", time_limit_seconds=0.05).replace_all("a" * 200, "")


def test_a_replacement_that_grows_without_bound_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        JavaRegex("a").replace_all("a" * 20_000, "b" * 1000)
