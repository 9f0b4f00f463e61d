// A long list of which only what is near the viewport is in the document.
//
// Rows have a key and are drawn by the owner; their heights are measured when they are first drawn and estimated before.
// What the reader looks at stays where it is, whatever is put before it or changes its height: the first visible row is
// the anchor of every update. While the person scrolls, the space above absorbs what the estimates got wrong (writing
// scrollTop would break the momentum on touch screens); when they rest, the space is set right.

const ESTIMATED_HEIGHT_PX = 48;
const LEAST_MARGIN_PX = 600;  // drawn above and below the viewport, or as much as the viewport is high
const AT_END_PX = 32;
const REST_MS = 180;
const ROUNDS = 4;             // of drawing and measuring, until the estimates no longer leave a hole

export class VirtualList {
  #scroller; #list; #draw; #stampOf; #onScroll;
  #rows = []; #indexOf = new Map(); #offsets = new Float64Array(1);
  #heights = new Map();         // key -> measured height
  #own = new Float64Array(0);   // the same by index, 0 where it is estimated
  #estimate = ESTIMATED_HEIGHT_PX; #estimatedFrom = 0;
  #drawn = new Map();           // key -> {element, stamp}
  #first = 0; #end = 0;         // what is in the document
  #shift = 0;                   // how much lower the rows are than the offsets say
  #stick = true;                // the newest is shown, and stays shown
  #width = 0; #restTimer = null;

  // `draw(row, element)` fills the element; `stamp(row)` is a text that changes when the row has to be drawn again.
  constructor({ scroller, list, draw, stamp, onScroll, signal }) {
    this.#scroller = scroller;
    this.#list = list;
    this.#draw = draw;
    this.#stampOf = stamp;
    this.#onScroll = onScroll;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true, signal });
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(scroller);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  get atEnd() { return this.#stick; }
  get rows() { return this.#rows; }

  setRows(rows) {
    const anchor = this.#anchor(new Set(rows.map((row) => row.key)));
    this.#rows = rows;
    this.#indexOf = new Map(rows.map((row, index) => [row.key, index]));
    this.#own = Float64Array.from(rows, (row) => this.#heights.get(row.key) ?? 0);
    this.#offsets = new Float64Array(rows.length + 1);
    this.#sumOffsets();
    this.#update(anchor);
  }

  // Draws again what has another stamp.
  refresh() {
    this.#update(this.#anchor());
  }

  clear() {
    this.#heights.clear();
    this.#estimatedFrom = 0;
    for (const { element } of this.#drawn.values()) element.remove();
    this.#drawn.clear();
    this.#stick = true;
    this.#shift = 0;
    this.setRows([]);
  }

  has(key) { return this.#indexOf.has(key); }
  elementOf(key) { return this.#drawn.get(key)?.element ?? null; }

  // Brings a row into view: at the "start", "center" or "end", or by the shortest way ("nearest").
  scrollTo(key, where = "center") {
    const index = this.#indexOf.get(key);
    if (index === undefined) return null;
    const height = this.#scroller.clientHeight;
    this.#stick = false;
    for (let round = 0; round < 2; round++) { // the second time with measured heights
      const own = this.#offsets[index + 1] - this.#offsets[index];
      let top = 0;
      if (where === "center") top = Math.max(0, (height - own) / 2);
      else if (where === "end") top = height - own;
      else if (where === "nearest") top = this.#nearest(index, own, height);
      this.#update({ key, top });
    }
    this.#noticeEnd();
    return this.elementOf(key);
  }

  #nearest(index, own, height) {
    const top = this.#offsets[index] + this.#shift - this.#scroller.scrollTop;
    return own > height ? 0 : Math.min(Math.max(top, 0), height - own);
  }

  scrollToEnd() {
    this.#stick = true;
    this.#update(null);
  }

  // The rows that a person can see, as [first, end).
  visible() {
    const top = this.#scroller.scrollTop - this.#shift;
    const first = this.#at(top);
    const end = Math.min(this.#rows.length, this.#at(top + this.#scroller.clientHeight - 1) + 1);
    return [first, end];
  }

  // A fresh estimate moves every row that was never drawn, so there is one only when far more is known than before.
  #estimateHeight() {
    if (this.#heights.size < 2 * this.#estimatedFrom || this.#heights.size < 20) return;
    this.#estimatedFrom = this.#heights.size;
    let sum = 0;
    for (const height of this.#heights.values()) sum += height;
    this.#estimate = sum / this.#heights.size;
  }

  #sumOffsets() {
    this.#estimateHeight();
    for (let i = 0; i < this.#own.length; i++) this.#offsets[i + 1] = this.#offsets[i] + (this.#own[i] || this.#estimate);
  }

  // The index of the row at this offset.
  #at(offset) {
    let low = 0;
    let high = this.#rows.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  // The first visible row and where its top is, seen from the top of the viewport; of those that remain.
  #anchor(remaining = null) {
    if (this.#stick) return null;
    const viewport = this.#scroller.getBoundingClientRect();
    for (let i = this.#first; i < this.#end; i++) {
      const { key } = this.#rows[i];
      const drawn = this.#drawn.get(key);
      if (!drawn || (remaining && !remaining.has(key))) continue;
      const box = drawn.element.getBoundingClientRect();
      if (box.bottom > viewport.top + 1) return { key, top: box.top - viewport.top };
    }
    const index = this.#at(this.#scroller.scrollTop - this.#shift); // dragged far away from what is drawn
    const row = this.#rows[index];
    if (!row || (remaining && !remaining.has(row.key))) return null;
    return { key: row.key, top: this.#offsets[index] + this.#shift - this.#scroller.scrollTop };
  }

  // Draws what is near the anchor and puts the anchor where it is to be; without one, the end is shown.
  #update(anchor, { absorb = false } = {}) {
    const height = this.#scroller.clientHeight;
    const margin = Math.max(LEAST_MARGIN_PX, height);
    const index = anchor ? this.#indexOf.get(anchor.key) : -1;
    for (let round = 0; round < ROUNDS; round++) {
      const top = index >= 0 ? this.#offsets[index] - anchor.top : this.#offsets.at(-1) - height;
      const first = this.#rows.length ? this.#at(top - margin) : 0;
      const end = this.#rows.length ? Math.min(this.#rows.length, this.#at(top + height + margin) + 1) : 0;
      if (!this.#place(first, end)) break;
    }
    this.#settle(anchor, index, absorb);
  }

  // Puts the rows from `first` to before `end` into the document; returns whether a height was other than thought.
  #place(first, end) {
    this.#first = first;
    this.#end = end;
    const wanted = new Map();
    const changed = [];
    for (let i = first; i < end; i++) {
      const row = this.#rows[i];
      const stamp = this.#stampOf(row);
      let drawn = this.#drawn.get(row.key);
      if (drawn?.stamp !== stamp) {
        drawn = { element: this.#draw(row, drawn?.element ?? null), stamp };
        changed.push(row.key);
      }
      wanted.set(row.key, drawn);
    }
    this.#letGo(wanted);
    this.#drawn = wanted;
    let at = this.#list.firstElementChild;
    for (const { element } of wanted.values()) {
      if (element === at) at = at.nextElementSibling;
      else this.#list.insertBefore(element, at);
    }
    return this.#measure(changed);
  }

  // Focus is not lost with a row that goes: the list itself takes it.
  #letGo(wanted) {
    for (const [key, { element }] of this.#drawn) {
      if (wanted.has(key)) continue;
      if (element.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
      element.remove();
    }
  }

  #measure(keys) {
    let differs = false;
    for (const key of keys) {
      const height = this.#drawn.get(key).element.getBoundingClientRect().height;
      const index = this.#indexOf.get(key);
      if (Math.abs(height - (this.#offsets[index + 1] - this.#offsets[index])) > 0.01) differs = true;
      this.#heights.set(key, height);
      this.#own[index] = height;
    }
    if (differs) this.#sumOffsets();
    return differs;
  }

  #settle(anchor, index, absorb) {
    const where = index >= 0 ? this.#offsets[index] - anchor.top : null; // what scrollTop would be without a shift
    const shift = absorb && where !== null ? this.#scroller.scrollTop - where : 0;
    const canShift = shift !== 0 && this.#first > 0 && this.#offsets[this.#first] + shift >= 0;
    this.#shift = canShift ? shift : 0;
    const total = this.#offsets.at(-1);
    this.#list.style.paddingBlockStart = `${this.#offsets[this.#first] + this.#shift}px`;
    this.#list.style.paddingBlockEnd = `${Math.max(0, total - this.#offsets[this.#end])}px`;
    if (this.#stick && where === null) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    else if (where !== null && Math.abs(this.#scroller.scrollTop - where - this.#shift) > 0.5) this.#scroller.scrollTop = where + this.#shift;
  }

  #noticeEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#stick = scrollHeight - scrollTop - clientHeight <= AT_END_PX;
  }

  #scrolled() {
    if (this.#scroller.clientHeight === 0) return; // it is not shown
    this.#noticeEnd();
    const [first, end] = this.visible();
    const near = this.#scroller.clientHeight / 2;
    const tooFew = this.#offsets[first] - this.#offsets[this.#first] < near && this.#first > 0;
    const tooFewBelow = this.#offsets[this.#end] - this.#offsets[end] < near && this.#end < this.#rows.length;
    if (tooFew || tooFewBelow) {
      const stick = this.#stick;
      this.#stick = false;
      const anchor = this.#anchor();
      this.#stick = stick;
      this.#update(anchor, { absorb: true });
    }
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#rest(), REST_MS);
    this.#onScroll();
  }

  #rest() {
    if (this.#shift !== 0) this.#update(this.#anchor());
  }

  // Another width, other heights.
  #resized() {
    const { clientWidth } = this.#scroller;
    if (clientWidth === 0) return;
    const anchor = this.#anchor();
    if (clientWidth !== this.#width) {
      this.#width = clientWidth;
      this.#heights.clear();
      this.#own.fill(0);
      this.#sumOffsets();
      for (const drawn of this.#drawn.values()) drawn.stamp = null;
    }
    this.#update(anchor);
    this.#onScroll();
  }
}
