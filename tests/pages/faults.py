"""What can be wrong with a page wherever it is looked at: axe, its width, its language."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from babel.messages.pofile import read_po
from playwright.sync_api import Page

from tests.bureau import UNITS

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "server" / "translations" / "zh" / "LC_MESSAGES" / "messages.po"
LANGS = {"zh": "zh-CN", "en": "en"}
SERIOUS = ("serious", "critical")
# Of the bureau's own words, these are in the catalogue too.
DATA = {*UNITS.values(), "采集站"}
# Three words in a row, the later ones small: English, and not a name or a number.
_SENTENCE = re.compile(r"\b[A-Za-z][a-z’']+(?: [a-z][a-z’']+){2,}")
# What the page says itself: not what it quotes, not the other language's name, not programs.
_SPOKEN = """() => {
  const foreign = 'script, style, code, pre, q, .filename, [lang]:not(html)';
  const said = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest(foreign)) said.push(walker.currentNode.data);
  for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
    for (const element of document.querySelectorAll(`body [${name}]`))
      if (!element.closest(foreign)) said.push(element.getAttribute(name));
  return said.map(s => s.trim().replace(/\\s+/g, ' ')).filter(s => s);
}"""
# The contrast of colours takes axe most of its time, and is the same at every width.
_AXE = """contrast => axe.run(document, {
  resultTypes: ['violations'], rules: {'color-contrast': {enabled: contrast}}
}).then(r => r.violations.map(v => [v.impact, `${v.id}: ${v.nodes[0].target}`]))"""

_WIDE_LIST = """[...document.querySelectorAll('table.rows')]
  .some(list => list.parentElement.scrollWidth > list.parentElement.clientWidth)"""


def unusable(page: Page, *, contrast: bool) -> list[str]:
    """What axe finds that is serious."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return [what for impact, what in page.evaluate(_AXE, contrast) if impact in SERIOUS]


def misplaced(page: Page) -> list[str]:
    """What is wider than its window, what ran that should not."""
    wrong = []
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("the page scrolls sideways")
    if page.evaluate(_WIDE_LIST):
        wrong.append("a list is wider than its frame")
    if page.evaluate("window.owned"):
        wrong.append("something foreign was run")
    return wrong


@cache
def catalogue() -> dict[str, str]:
    """The Chinese of every English sentence that has a Chinese of its own."""
    with CATALOGUE.open("rb") as file:
        messages = list(read_po(file, locale="zh"))
    return {m.id: str(m.string) for m in messages if isinstance(m.id, str) and m.id != m.string}


def foreign_words(page: Page, language: str) -> list[str]:
    """What a page says in the other language."""
    said: list[str] = page.evaluate(_SPOKEN)
    assert said, "a page that says nothing"
    if language == "en":
        chinese = set(catalogue().values()) - DATA
        wrong = [s for s in said if s in chinese]
    else:
        wrong = [s for s in said if s in catalogue() or _SENTENCE.search(s)]
    if page.get_attribute("html", "lang") != LANGS[language]:
        wrong.append("lang of html")
    return wrong
