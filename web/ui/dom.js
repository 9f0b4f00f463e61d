// Making and keeping elements. Data becomes text nodes and attributes, never markup.

function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) parent.append(child);
  }
}

// h("button", { class: "quiet", onclick: f, disabled: true }, "Save"). An attribute that is null or false is left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

export const byId = (id) => document.getElementById(id);

export const hidden = (text) => h("span", { class: "visually-hidden" }, text);

// Makes the children of `parent` these elements, in this order, without touching those that stay where they are:
// focus, selection and what a screen reader reads survive.
export function arrange(parent, elements) {
  const wanted = new Set(elements);
  for (const old of [...parent.children]) if (!wanted.has(old)) old.remove();
  let at = parent.firstElementChild;
  for (const element of elements) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}

// Arrow keys, Home and End among the elements that `find` gives; only the current one is a tab stop.
export function rove(container, find, { horizontal = false, signal } = {}) {
  const forward = horizontal ? ["ArrowRight", "ArrowDown"] : ["ArrowDown"];
  const back = horizontal ? ["ArrowLeft", "ArrowUp"] : ["ArrowUp"];
  container.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const all = find();
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    let to;
    if (forward.includes(event.key)) to = Math.min(at + 1, all.length - 1);
    else if (back.includes(event.key)) to = Math.max(at - 1, 0);
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = all.length - 1;
    else return;
    event.preventDefault();
    all[to].focus();
  }, { signal });
  container.addEventListener("focusin", (event) => {
    const all = find();
    if (!all.includes(event.target)) return;
    for (const element of all) element.tabIndex = element === event.target ? 0 : -1;
  }, { signal });
}

// Calls `work` once in the next frame, however often it is asked for; a hidden page has no frames and does it soon.
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const run = () => {
      asked = false;
      work();
    };
    if (document.hidden) setTimeout(run, 50);
    else requestAnimationFrame(run);
  };
}

// Soon after the first call, then at most once in `pauseMs`, and once more after the last.
export function sparingly(work, pauseMs) {
  let timer = null;
  let again = false;
  const run = () => {
    timer = null;
    if (!again) return;
    again = false;
    work();
    timer = setTimeout(run, pauseMs);
  };
  return () => {
    again = true;
    timer ??= setTimeout(run, 0);
  };
}

// The last call counts, after a pause.
export function debounce(work, pauseMs) {
  let timer = null;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), pauseMs);
  };
}
