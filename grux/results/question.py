"""The question that an experiment asks: from its table.yaml, its README, or the comment above its config.

experiments/<name>/table.yaml          question: Is a GRU enough?
experiments/<name>/README.md           the paragraph that begins with **Question.**, else the first one
configs/experiment/<name>.yaml         the comment at the top
"""

import contextlib
import re
from pathlib import Path

MOST = 100_000  # characters that are read of a file
LONGEST = 1000


def question_of(name: str, experiments: Path, configs: Path | None = None) -> str:
    """The question as plain text; "" where nobody has written one down. `configs`: the folder of configs."""
    folder = experiments / name
    found = _from_yaml(_read(folder / "table.yaml")) or _from_readme(_read(folder / "README.md"))
    if not found and configs is not None:
        found = _from_comment(_read(configs / "experiment" / f"{name}.yaml"))
    return found[:LONGEST]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read(MOST)
    return ""


def _from_yaml(content: str) -> str:
    import yaml  # only where there is such a file

    if "question" not in content:
        return ""
    try:
        options = yaml.load(content, yaml.SafeLoader)
    except (ValueError, RecursionError, yaml.YAMLError):
        return ""  # `grux table` says what is wrong with it
    question = options.get("question") if isinstance(options, dict) else None
    return " ".join(question.split()) if isinstance(question, str) else ""


def _from_readme(content: str) -> str:
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", content) if part.strip()]
    marked = [p for p in paragraphs if re.match(r"\**Question\b", p)]
    prose = [p for p in paragraphs if not p.startswith(("#", "```", "|", "    ", "- ", "!", "["))]
    chosen = next(iter(marked or prose), "")
    return _plain(re.sub(r"^\**Question[.:]?\**[.:]?\s*", "", chosen))


def _from_comment(content: str) -> str:
    lines = []
    for line in content.splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line.lstrip("# "))
    return " ".join(" ".join(lines).split())


def _plain(markdown: str) -> str:
    """Without the marks of emphasis, code and links."""
    markdown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"[*`]+", "", markdown).strip()
