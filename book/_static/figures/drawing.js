/** What the interactive figures share: elements, planes with axes, sliders, buttons, handles. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element in `parent`; `text` is its text. */
export function html(name, { text, ...attributes }, parent) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return attached(element, attributes, parent);
}

/** An SVG element in `parent`; `text` is its text. */
export function svg(name, { text, ...attributes }, parent) {
  const element = document.createElementNS(SVG, name);
  if (text !== undefined) element.textContent = text;
  return attached(element, attributes, parent);
}

function attached(element, attributes, parent) {
  set(element, attributes);
  parent.append(element);
  return element;
}

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

/** A number as people write it: a true minus sign, and no minus before zero. */
export function number(value, digits = 2) {
  if (!Number.isFinite(value)) return "∞";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A factor after others: in brackets if negative. */
export function factor(value, digits = 2) {
  const text = number(value, digits);
  return text.startsWith("−") ? `(${text})` : text;
}

/** A summand after others: its sign, a space and its size. */
export function signed(value, digits = 2) {
  const text = number(value, digits);
  return text.startsWith("−") ? `− ${text.slice(1)}` : `+ ${text}`;
}

/** A drawing `width` × `height` units large; an image to screen readers unless it holds handles. */
export function picture({ width, height, label, role = "img", name }, parent) {
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role, "aria-label": label, class: name ?? "" },
    parent,
  );
}

/** A rectangle of the drawing with scales: `x` and `y` are what its sides stand for. */
export function plane({ left, top, width, height, x, y }) {
  return {
    left,
    top,
    width,
    height,
    right: left + width,
    bottom: top + height,
    x: (value) => left + ((value - x[0]) / (x[1] - x[0])) * width,
    y: (value) => top + height - ((value - y[0]) / (y[1] - y[0])) * height,
    back: (px, py) => [
      x[0] + ((px - left) / width) * (x[1] - x[0]),
      y[0] + ((top + height - py) / height) * (y[1] - y[0]),
    ],
    domain: { x, y },
  };
}

/** Lines and numbers of the axes; `at` lists the values for each axis. */
export function axes(area, { x = [], y = [], xLabel, yLabel }, parent) {
  const group = svg("g", { class: "axes", "aria-hidden": "true" }, parent);
  for (const value of x) {
    const px = area.x(value);
    svg("line", { x1: px, x2: px, y1: area.top, y2: area.bottom }, group);
    svg("text", { x: px, y: area.bottom + 13, "text-anchor": "middle", text: number(value, 0) }, group);
  }
  for (const value of y) {
    const py = area.y(value);
    const digits = Number.isInteger(value) ? 0 : 1;
    svg("line", { x1: area.left, x2: area.right, y1: py, y2: py }, group);
    svg("text", { x: area.left - 5, y: py + 4, "text-anchor": "end", text: number(value, digits) }, group);
  }
  if (xLabel) {
    const middle = (area.left + area.right) / 2;
    svg("text", { x: middle, y: area.bottom + 27, "text-anchor": "middle", text: xLabel }, group);
  }
  if (yLabel) svg("text", { x: area.left, y: area.top - 7, text: yLabel }, group);
  return group;
}

/** The `d` of a line through points of a plane; it stops where they leave all bounds. */
export function line(area, points) {
  const places = points.map(([x, y]) => [area.x(x), area.y(y)]);
  const end = places.findIndex((place) => !place.every((p) => Math.abs(p) < 1e5));
  const drawn = end < 0 ? places : places.slice(0, end);
  return drawn.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(2)} ${py.toFixed(2)}`).join("");
}

let counter = 0;

/** Clips what is drawn in `parent` to the plane; returns a group to draw in. */
export function clipped(area, parent) {
  const id = `figure-clip-${(counter += 1)}`;
  const { left, top, width, height } = area;
  const clip = svg("clipPath", { id }, parent);
  svg("rect", { x: left, y: top, width, height }, clip);
  return svg("g", { "clip-path": `url(#${id})` }, parent);
}

/** A labelled slider; `change` is called with each new value. */
function slider({ label, min, max, step, value, format = number, change }, parent) {
  const id = `figure-slider-${(counter += 1)}`;
  const row = html("div", { class: "slider" }, parent);
  html("label", { for: id, text: label }, row);
  const input = html("input", { id, type: "range", min, max, step, value }, row);
  const shown = html("span", { class: "value", "aria-hidden": "true" }, row); // the slider says it itself
  function show() {
    const text = format(Number(input.value));
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
  input.addEventListener("input", () => {
    show();
    change(Number(input.value));
  });
  show();
  return {
    input,
    set(next) {
      input.value = next;
      show();
    },
  };
}

/** A maker of sliders, each for the property of `state` that it names; `update` gets the change. */
export function sliders(state, update, parent) {
  return (name, label, min, max, step = 0.1, format = number) => {
    const change = (value) => update({ [name]: value });
    return slider({ label, min, max, step, value: state[name], format, change }, parent);
  };
}

/** Back and Next, round and round through the steps of `state`. */
export function stepper(state, count, update, parent) {
  const row = html("div", { class: "buttons" }, parent);
  button("Back", () => update({ step: (state.step + count - 1) % count }), row);
  button("Next", () => update({ step: (state.step + 1) % count }), row);
}

export function button(text, press, parent) {
  const element = html("button", { type: "button", text }, parent);
  element.addEventListener("click", press);
  return element;
}

/**
 * A point of a plane that is dragged, or moved by the arrow keys (ten steps with shift).
 *
 * `move` gets where the reader wants it, and answers by calling `place` with where it is.
 * `axis: "x"` holds it on a horizontal line. `tell` says its place in words.
 */
export function handle({ area, label, step, axis, move, tell, name = "" }, parent) {
  const group = svg(
    "g",
    { class: `handle ${name}`, tabindex: 0, role: "slider", "aria-label": label },
    parent,
  );
  svg("circle", { class: "reach", r: 18 }, group);
  svg("circle", { class: "ring", r: 11 }, group);
  svg("circle", { class: "knob", r: 6 }, group);
  const { x: bounds } = area.domain;
  set(group, { "aria-valuemin": bounds[0], "aria-valuemax": bounds[1] });
  let at = [0, 0];

  function ask([x, y]) {
    const inside = (value, [low, high]) => Math.min(high, Math.max(low, value));
    move([inside(x, area.domain.x), axis === "x" ? at[1] : inside(y, area.domain.y)]);
  }
  group.addEventListener("pointerdown", (event) => {
    group.setPointerCapture(event.pointerId);
    group.focus({ preventScroll: true });
    event.preventDefault();
  });
  group.addEventListener("pointermove", (event) => {
    if (!group.hasPointerCapture(event.pointerId)) return;
    const matrix = group.ownerSVGElement.getScreenCTM().inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    ask(area.back(point.x, point.y));
  });
  group.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    let way = ways[event.key];
    if (!way) return;
    if (axis === "x") way = [way[0] + way[1], 0];
    const size = event.shiftKey ? 10 * step : step;
    event.preventDefault();
    ask([at[0] + size * way[0], at[1] + size * way[1]]);
  });
  return {
    place([x, y]) {
      at = [x, y];
      set(group, {
        transform: `translate(${area.x(x)} ${area.y(y)})`,
        "aria-valuenow": number(x, 2).replace("−", "-"),
        "aria-valuetext": tell ? tell(at) : `${number(x)}, ${number(y)}`,
      });
    },
  };
}

/** A sentence of the figure on what is to be seen now, for eyes and screen readers. */
export function reading(parent) {
  const seen = html("p", { class: "reading" }, parent);
  const tell = spoken(parent);
  return (text) => {
    seen.textContent = text;
    tell(text);
  };
}

/** What screen readers say after a change, once the reader's hand rests. */
export function spoken(parent) {
  const heard = html("p", { class: "heard", role: "status" }, parent);
  let rest;
  let begun = false;
  return (text) => {
    clearTimeout(rest);
    if (begun) rest = setTimeout(() => (heard.textContent = text), 500);
    begun = true;
  };
}
