"""What MkDocs calls: adds the generated pages, fills in the others, and refuses a site that loads anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from sitegen import pages, render

__all__ = ["on_config", "on_files", "on_page_markdown", "on_post_build"]

_LOADED = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]*)""")
_STYLED = re.compile(r"""(?:@import|url\()\s*["']?((?:https?:)?//[^"')\s]*)""")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """``folder/*`` in the navigation stands for the generated pages of that folder."""
    made = sorted(path for path, _ in pages())

    def expand(item: Any) -> Any:
        if isinstance(item, dict):
            return {title: expand(below) for title, below in item.items()}
        if isinstance(item, list):
            return [found for x in item for found in (_matching(x, made) if _is_folder(x) else [expand(x)])]
        return item

    config.nav = expand(config.nav)
    return config


def _is_folder(item: Any) -> bool:
    return isinstance(item, str) and item.endswith("/*")


def _matching(item: str, made: list[str]) -> list[str]:
    return [path for path in made if path.startswith(item.removesuffix("*"))]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated whole."""
    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated parts."""
    return render(markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Links may lead elsewhere; scripts, styles, fonts and pictures must not come from there."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix not in (".html", ".css"):
            continue
        text = path.read_text(encoding="utf-8")
        found = [*_LOADED.findall(text), *_STYLED.findall(text)]
        if found:
            raise PluginError(f"{path.relative_to(config.site_dir)} loads {', '.join(sorted(set(found)))}")
