"""References as JSON Schema and its older drafts have them."""

import pytest

from headrace.wire.schema_references import SchemaReferences

ROOT = {
    "$id": "https://example.org/root.json",
    "$defs": {
        "a": 1,
        "a b": 2,
        "c/d": 3,
        "e~f": 4,
        "50%": 5,
        "list": [{"x": 6}],
        "anchored": {"$anchor": "here", "n": 7},
        "draft4": {"id": "#there", "n": 8},
        "named": {"$id": "other.json", "n": 9},
        "": {"": 10},
    },
    "enum": [{"$anchor": "no", "$id": "no.json"}],
}


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("#", ROOT),
        ("", ROOT),
        ("#/$defs/a", 1),
        ("#/$defs/a%20b", 2),
        ("#/$defs/a b", 2),
        ("#/$defs/c~1d", 3),
        ("#/$defs/e~0f", 4),
        ("#/$defs/50%25", 5),
        ("#/%24defs/list/0/x", 6),
        ("#here", ROOT["$defs"]["anchored"]),
        ("#there", ROOT["$defs"]["draft4"]),
        ("other.json", ROOT["$defs"]["named"]),
        ("https://example.org/other.json#/n", 9),
        ("root.json#/$defs/a", 1),
        ("https://example.org/root.json#/$defs/a", 1),
        ("#/$defs//", 10),
    ],
)
def test_a_reference_is_resolved(reference, target):
    assert SchemaReferences(ROOT).resolve(reference) == target


@pytest.mark.parametrize(
    "reference",
    [
        "#/$defs/nothing",
        "#/$defs/list/1",
        "#/$defs/list/-1",
        "#/$defs/list/x",
        "#/$defs/list/" + "9" * 5000,
        "#/$defs/a/b",
        "#nothing",
        "#no",
        "no.json",
        "https://elsewhere.org/root.json",
        "http://[::1",
        "x" * 100,
    ],
)
@pytest.mark.parametrize("root", [ROOT, True, [], None, "text"])
def test_what_is_not_in_the_document_is_a_lookup_error(reference, root):
    with pytest.raises(LookupError):
        SchemaReferences(root).resolve(reference)
