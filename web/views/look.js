// Applies the person's choice of colours and direction. early.js has done so before the first drawing.

import { choices } from "../model/session.js";

export function applyLook() {
  const { documentElement: root } = document;
  root.dataset.theme = choices.theme;
  root.dir = choices.direction === "rtl" ? "rtl" : "ltr";
}
