// The page's signs, drawn here so that nothing has to be fetched. 24 by 24, strokes in the colour of the text.

const PATHS = {
  add: "M12 5v14M5 12h14",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  back: "M15 5l-7 7 7 7",
  bell: "M6 16V11a6 6 0 0112 0v5l2 2H4zM10 21h4",
  bellOff: "M4 4l16 16M8 6a6 6 0 0110 5v4M6 10v6l-2 2h13M10 21h4",
  channel: "M4 10v4h3l7 5V5L7 10zM18 9a4 4 0 010 6",
  check: "M5 12.5l4.5 4.5L19 7",
  clock: "M12 7v5l3 2M12 21a9 9 0 100-18 9 9 0 000 18z",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  crown: "M4 18h16M4 7l4 5 4-7 4 7 4-5-1.5 9h-13z",
  device: "M4 5h16v11H4zM9 20h6M12 16v4",
  double: "M2 12.5l4 4L14.5 7M11 15.5l1 1L21.5 7",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  group: "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM3 20c0-4 2.7-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 010 6.5M17 14c2.5.5 4 2.5 4 6",
  info: "M12 11v6M12 7.5v.1M12 21a9 9 0 100-18 9 9 0 000 18z",
  more: "M12 5.5v.1M12 12v.1M12 18.5v.1",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  react: "M12 21a9 9 0 100-18 9 9 0 000 18zM8.5 14.5a4.5 4.5 0 007 0M9 9.5v.1M15 9.5v.1",
  reply: "M10 6L4 12l6 6M4 12h9c4 0 7 2 7 7",
  retry: "M19 12a7 7 0 11-2-5M19 4v4h-4",
  route: "M6 19a2 2 0 100-4 2 2 0 000 4zM18 9a2 2 0 100-4 2 2 0 000 4zM8 17h6a3 3 0 000-6h-4a3 3 0 010-6h6",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM16 16l4.5 4.5",
  send: "M4 12l16-8-6 17-3-7z",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 9.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5zM8 19.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  user: "M12 12a4 4 0 100-8 4 4 0 000 8zM5 20c0-4 3-6 7-6s7 2 7 6",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.1",
};

const SVG = "http://www.w3.org/2000/svg";

// Without a label it is decoration that a screen reader passes over.
export function icon(name, label = null) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
