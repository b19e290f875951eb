"""benchmarks/templates.py compares 42 conversations; here with a script in place of transformers."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "templates.py"

TRANSFORMERS = f"""#!{sys.executable}
import json, sys

print(json.dumps({{"filters": ["upper", "shout"], "tests": [], "globals": [], "tags": []}}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    contents = [m.get("content") or "" for m in job["request"]["messages"] if m["role"] in ("user", "assistant")]
    texts = [text if isinstance(text, str) else "".join(part["text"] for part in text) for text in contents]
    error = "No." if "raise" in job["template"] else ""
    print(json.dumps([["", "" if error else "".join(texts), error]]), flush=True)
"""
TURNS = "{% for m in messages if m.role in ['user', 'assistant'] %}{{ m.content }}{% endfor %}"


def test_each_outcome_has_its_column(tmp_path):
    transformers = tmp_path / "transformers"
    transformers.write_text(TRANSFORMERS)
    transformers.chmod(0o755)
    templates = tmp_path / "templates" / "deep"
    templates.mkdir(parents=True)
    (templates / "a.jinja").write_text(TURNS)
    (templates / "again.jinja").write_text(TURNS)
    (templates / "b.jinja").write_text(TURNS + "!")
    (templates / "all.jsonl").write_text(
        '{"chat_template": "{{ raise_exception(\'No.\') }}"}\n{"name": "none"}\n'
    )
    (templates / "tokenizer_config.json").write_text('{"chat_template": "{% if"}')
    command = [sys.executable, BENCHMARK, templates.parent, "--transformers", transformers]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert "missing: ['shout']" in done.stdout
    rows = {
        line.split(" | ")[0]: line.split(" | ")[1:] for line in done.stdout.splitlines() if "jinja |" in line
    }
    same, form, refused, rejected, wrong = (int(cell.strip("| ")) for cell in rows["| deep/a.jinja"])
    assert (same + rejected, form, refused, wrong) == (42, 0, 0, 0)
    assert rejected > 10
    assert rows["| deep/b.jinja"][4] == f"{same} |"
    assert "| deep/all.jsonl:1 | 0 | 0 | 42 | 0 | 0 |" in done.stdout
    assert "| deep/tokenizer_config.json | wrong: the chat template is not valid Jinja" in done.stdout
    assert "again" not in done.stdout
    assert "transformers 'How do I get to Lyon?'" in done.stdout
