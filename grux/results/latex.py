"""A table as LaTeX (booktabs, T1 fonts): a floating table for each section.

What T1 fonts lack is written in mathematics (Greek, raised and lowered characters) or as [U+957F]: the file compiles,
and such a name is still told from others.
"""

import unicodedata

from grux.results.contents import Table
from grux.results.grid import Item, printable
from grux.results.sections import Section, footnotes, sections

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    **{character: "\\" + character for character in "&%$#_"},
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "√": r"$\surd$",
    "–": "--",
    "−": r"$-$",
    "…": r"\dots{}",
    "µ": r"$\mu$",
    "ς": r"$\varsigma$",
}
# Beside ASCII, what pdflatex sets in T1, tried one by one: Latin-1, most of Latin Extended-A, some punctuation.
_IN_T1 = {chr(code) for code in range(0xA1, 0x17F)} - set("\xadĦħĸĿŀŉŦŧ") | set("‐‑—‘’“”„†‡•‰‹›€™←→")
_LOOKS_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True))  # Greek letters without a command
_LIGATURES = "-,'"  # two of them in a row are another character to T1


def latex_table(table: Table) -> str:
    """Every text is escaped; names cannot break the file."""
    notes = [rf"\par\footnotesize\textsuperscript{{{letter}}} {escape(text)}" for letter, text in footnotes(table)]
    parts = [r"% needs \usepackage{booktabs} and, for quotes and accents, \usepackage[T1]{fontenc}"]
    for number, section in enumerate(sections(table, "Bold")):
        parts += _float(section, notes if number == 0 else [])
    return "\n".join(parts)


def escape(text: str) -> str:
    """Any text as LaTeX that sets it."""
    text = unicodedata.normalize("NFC", text)
    before = ("", *text)
    return "".join(
        ("{}" if character in _LIGATURES and character == last else "") + _character(character)
        for last, character in zip(before, text, strict=False)
    )


def _character(character: str) -> str:
    if (known := _SPECIAL.get(character)) is not None:
        return known
    if character.isascii() or character in _IN_T1:
        return character
    if (latin := _LOOKS_LATIN.get(character)) is not None:
        return latin
    if character.isalpha() and ("Α" <= character <= "Ω" or "α" <= character <= "ω"):
        # "GREEK SMALL LETTER LAMDA" (so spelled), "GREEK CAPITAL LETTER OMEGA"
        _, size, _, name = unicodedata.name(character).split()
        name = name.lower().replace("lamda", "lambda")
        return rf"$\{name.capitalize() if size == 'CAPITAL' else name}$"
    match unicodedata.decomposition(character).split():
        case ["<super>", code] if code < "007F":
            return f"$^{{{_character(chr(int(code, 16)))}}}$"
        case ["<sub>", code] if code < "007F":
            return f"$_{{{_character(chr(int(code, 16)))}}}$"
    return f"[U+{ord(character):04X}]"


def _float(section: Section, notes: list[str]) -> list[str]:
    grid = section.grid
    body = []
    for number, row in enumerate(grid.rows):
        if number in grid.rules:
            body.append(r"\midrule")
        body.append(_row([_item(item) for item in row]))
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(printable(section.caption, longest=4000))}}}",
        rf"\begin{{tabular}}{{{'l' * grid.labels}{'r' * (len(grid.header) - grid.labels)}}}",
        r"\toprule",
        *(_row([escape(head[line]) for head in grid.header]) for line in range(len(grid.header[0]))),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]


def _row(texts: list[str]) -> str:
    line = " & ".join(texts) + r" \\"
    # \midrule, \toprule and \\ look ahead for an option.
    return "{}" + line if line.lstrip().startswith(("[", "*")) else line


def _item(item: Item) -> str:
    text = escape(item.text)
    text = rf"\textbf{{{text}}}" if item.best else rf"\textit{{{text}}}" if item.quiet and text else text
    letters = ",".join(item.notes)
    return text + escape(item.tail) + (rf"\textsuperscript{{{letters}}}" if letters else "")
