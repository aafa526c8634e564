"""`make screenshots`: take the documentation's pictures from the demo's page.

This needs Playwright (`pip install playwright`, which is in no requirement file, since only this uses it) and
Chromium, either from the variable CHROMIUM or on the PATH.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.screenshots.moderation import take_moderated
from tools.screenshots.overview import take, take_more
from tools.screenshots.page import DESKTOP, PHONE, NotPossible, browser, demo, open_page, shoot
from tools.screenshots.using import take_several, take_using


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--moderation", action="store_true", help="only those of docs/moderation.md")
    parser.add_argument("--using", action="store_true", help="only those of docs/using.md")
    parser.add_argument("--more", action="store_true", help="also text, several pictures and video")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    everything = not (options.moderation or options.using)
    try:
        if options.using or everything:
            with demo() as links, browser() as chrome:
                page = open_page(chrome, links[0], DESKTOP)
                take_using(page, options.folder)
                take_several(page, options.folder)
        if options.using:
            return 0
        with demo() as links, browser() as chrome:
            page = open_page(chrome, links[0], DESKTOP)
            if everything:
                take(page, options.folder)
            if options.more:
                take_more(page, options.folder)
            if everything:
                shoot(open_page(chrome, links[0], PHONE, scale=2), options.folder, "phone")
            if options.moderation or everything:
                take_moderated(chrome, page, links, options.folder)
    except NotPossible as error:
        print(error, file=sys.stderr)  # noqa: T201  # the reason
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
