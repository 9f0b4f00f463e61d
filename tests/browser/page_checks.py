"""What must hold of every state of the page for people who cannot see it, or not well.

Names and roles come from Chromium's own accessibility tree, contrast from computed colours (WCAG 2.1, 1.4.3 and 1.4.11)."""

# Whatever can be operated or is announced must have a name.
NAMED = {"button", "link", "textbox", "searchbox", "checkbox", "switch", "radio", "combobox", "tab", "menuitem", "option", "listbox",
         "dialog", "menu", "image", "img", "heading", "navigation", "tabpanel", "tablist"}

DOM_CHECKS = r"""
const ROLES = new Set(('alert button checkbox dialog form group heading img link list listbox listitem log main menu menuitem navigation option ' +
  'radio region search status switch tab tablist tabpanel textbox').split(' '));
const ARIA = new Set(('activedescendant autocomplete busy checked controls current describedby disabled expanded haspopup hidden invalid keyshortcuts label ' +
  'labelledby level live orientation pressed selected').split(' ').map((name) => `aria-${name}`));
const found = [];
const say = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
const shown = (element) => element.checkVisibility({ visibilityProperty: true });
const ids = new Map();
for (const element of document.querySelectorAll('*')) {
  if (element.id) ids.set(element.id, (ids.get(element.id) ?? 0) + 1);
  const role = element.getAttribute('role');
  if (role !== null && !ROLES.has(role)) say(`no role ${role}`, element);
  if (element.tabIndex > 0) say('a tabindex above 0', element);
  for (const { name, value } of element.attributes) {
    if (name === 'style' && !element.style.length) say('an inline style', element);
    if (name.startsWith('on')) say('an inline handler', element);
    if (!name.startsWith('aria-')) continue;
    if (!ARIA.has(name)) say(`no attribute ${name}`, element);
    if (['aria-labelledby', 'aria-describedby', 'aria-controls', 'aria-activedescendant'].includes(name) && shown(element))
      for (const id of value.split(' ')) if (!document.getElementById(id)) say(`${name} leads nowhere`, element);
  }
  if (element.matches('img') && !element.hasAttribute('alt')) say('an image without alt', element);
  if (element.matches('input, textarea, select') && shown(element) && !element.labels?.length && !element.getAttribute('aria-label')) say('a field without a label', element);
  if (element.matches('button') && element.querySelector('button, a[href], input')) say('a button in a button', element);
  if (element.matches('ul, ol') && [...element.children].some((child) => !child.matches('li'))) say('a list of what is no item', element);
}
for (const [id, count] of ids) if (count > 1) found.push(`the id ${id} ${count} times`);
for (const hidden of document.querySelectorAll('[aria-hidden=true]'))
  for (const element of hidden.querySelectorAll('a[href], button, input, textarea, [tabindex]')) if (element.tabIndex >= 0 && shown(element)) say('focus goes into what is hidden', element);
if (![...document.querySelectorAll('h1')].some(shown) && !document.querySelector('dialog[open]')) found.push('no h1');
if ([...document.querySelectorAll('main')].filter(shown).length > 1) found.push('more than one main');
return found;
"""

CONTRAST = r"""
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3])).concat(1);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((part) => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
  return .2126 * x + .7152 * y + .0722 * z;
};
const groundOf = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0) layers.push(colour);
    if (colour[3] === 1) break;
  }
  const page = rgba(getComputedStyle(document.body).backgroundColor);
  return layers.reverse().reduce((below, top) => over(top, below), page);
};
const opacityOf = (element) => {
  let opacity = 1;
  for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
  return opacity;
};
const found = new Map();
let looked = 0;
const root = document.querySelector('dialog[open]:last-of-type') ?? document.body;
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.data.trim();
  const element = walker.currentNode.parentElement;
  if (!text || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || element.closest('.visually-hidden, script, style, noscript, title')) continue;
  if (/^[\p{Extended_Pictographic}\uFE0F\s]+$/u.test(text)) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  const ground = groundOf(element);
  const ink = rgba(style.color);
  ink[3] *= opacityOf(element);
  const [light, dark] = [luminance(over(ink, ground)), luminance(ground)].sort((a, b) => b - a);
  const ratio = (light + .05) / (dark + .05);
  looked++;
  if (ratio < least) found.set(`${element.tagName.toLowerCase()}.${element.className || element.id}`, `${ratio.toFixed(2)} < ${least}: ${text.slice(0, 40)} (${style.color} on ${ground.slice(0, 3).map(Math.round)})`);
}
return { looked, found: [...found].map((each) => each.join(' ')) };
"""


def nameless(browser):
    """Nodes of the accessibility tree that need a name and have none."""
    found = []
    for node in browser.accessibility_tree():
        role = node.get("role", {}).get("value", "")
        if node.get("ignored") or role.lower() not in NAMED or node.get("name", {}).get("value", "").strip():
            continue
        try:
            html = browser.cdp("DOM.getOuterHTML", backendNodeId=node["backendDOMNodeId"])["outerHTML"][:160]
        except Exception:  # it has gone meanwhile
            continue
        found.append(f"{role} without a name: {html}")
    return found


def faults(browser, where):
    """Everything that is wrong with what the page shows now."""
    contrast = browser.js(CONTRAST)
    assert contrast["looked"] > 0, f"{where}: no text to look at"
    return [f"{where}: {fault}" for fault in [*nameless(browser), *browser.js(DOM_CHECKS), *contrast["found"]]]
