"""`make screenshots`: take the documentation's pictures from the demo's page.

The command needs Playwright (`pip install playwright`; no requirement file lists it, since nothing else uses
it) and Chromium, either at the path in the variable CHROMIUM or on the PATH.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.screenshots.animation import SCALE, SIZE, take_animation
from tools.screenshots.moderation import take_moderated
from tools.screenshots.overview import take, take_more
from tools.screenshots.page import DESKTOP, PHONE, PICTURES, NotPossible, browser, demo, open_page, shoot
from tools.screenshots.using import take_several, take_using


def _take_readme(folder: Path) -> None:
    with demo() as links, browser() as chrome:
        shoot(open_page(chrome, links[PICTURES], DESKTOP), folder, "demo", conversation=True)
        take_animation(open_page(chrome, links[PICTURES], SIZE, SCALE), folder)


def _take_rest(options: argparse.Namespace, *, everything: bool) -> None:
    """Take the pictures that share one demo: the overview, more results, a phone, and moderation."""
    with demo() as links, browser() as chrome:
        page = open_page(chrome, links[PICTURES], DESKTOP)
        if everything:
            take(page, options.folder)
        if options.more:
            take_more(page, options.folder)
        if everything:
            shoot(open_page(chrome, links[PICTURES], PHONE, scale=2), options.folder, "phone")
        if options.moderation or everything:
            take_moderated(chrome, page, links, options.folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--moderation", action="store_true", help="only those of docs/moderation.md")
    parser.add_argument("--using", action="store_true", help="only those of docs/using.md")
    parser.add_argument("--readme", action="store_true", help="only the README's picture and animation")
    parser.add_argument("--more", action="store_true", help="also text, several pictures and video")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    everything = not (options.moderation or options.using or options.readme)
    try:
        if options.readme or everything:
            _take_readme(options.folder)
        if options.using or everything:
            with demo() as links, browser() as chrome:
                page = open_page(chrome, links[PICTURES], DESKTOP)
                take_using(page, options.folder)
                take_several(page, options.folder)
        if not options.using and not options.readme:
            _take_rest(options, everything=everything)
    except NotPossible as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
