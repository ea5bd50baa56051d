"""What people who see little, or use a screen reader, need of a page: names of all that is used, and contrast."""

from __future__ import annotations

from playwright.sync_api import Page

_NEED_NAMES = {"button", "link", "textbox", "searchbox", "combobox", "radio", "checkbox", "slider", "img", "image"}

# The contrast of every text with what is behind it, by WCAG 2.2 (relative luminance, success criterion 1.4.3): of each
# that has too little, what it says and its ratio. Colours are drawn to have them as sRGB, whatever way they are given.
_FAINT = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, words = texts.currentNode.textContent.trim();
    if (!words || !element.checkVisibility() || element.closest('title, option, script')) continue;
    const style = getComputedStyle(element), isDrawn = element instanceof SVGElement;
    const one = luminance(rgba(isDrawn ? style.fill : style.color)), other = luminance(behind(element));
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${words}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


def nameless(page: Page) -> list[str]:
    """What a screen reader would call by its kind alone: HTML of links, fields, buttons and pictures without a name."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"].lower() in _NEED_NAMES
        and not (node.get("name") or {}).get("value", "").strip()
    ]
    session.detach()
    return found


def faint(page: Page) -> list[str]:
    """Texts that differ too little from what is behind them, with their contrast."""
    return list(page.evaluate(_FAINT))
