/** A cloud to drag, and what PCA, ZCA and Cholesky whitening and BN make of it. */

import {
  axes,
  button,
  clipped,
  handle,
  html,
  line,
  number,
  picture,
  plane,
  reading,
  set,
  svg,
} from "./drawing.js";
import { MATRICES, apply, correlation, covariance, mean, transform, whitePoints } from "./mathematics.js";

const CLOUD = whitePoints(1, 90);
const CIRCLE = Array.from({ length: 61 }, (_, k) => {
  const angle = (k * Math.PI) / 30;
  return [2 * Math.cos(angle), 2 * Math.sin(angle)];
});
const SHAPES = {
  Tilted: { center: [1, 1], long: [2.6, 1.4], width: 0.7 },
  "Along the axes": { center: [1, 1], long: [3, 0], width: 0.7 },
  "At 45°": { center: [0, 0], long: [2.1, 2.1], width: 0.6 },
};
/** No axis of the cloud gets shorter than this, so that every matrix exists. */
const SHORTEST = 0.25;

export function draw(stage) {
  const shape = structuredClone(SHAPES.Tilted);
  const layout = html("div", { class: "beside" }, stage);
  const source = html("div", {}, layout);
  const panels = html("div", { class: "quartet" }, layout);
  const cloud = drawCloud(source, shape, update);
  const outputs = Object.keys(MATRICES).map((name) => drawOutput(panels, name));
  const row = html("div", { class: "buttons" }, stage);
  for (const [name, values] of Object.entries(SHAPES)) {
    const press = () => update(Object.assign(shape, structuredClone(values)));
    button(name, press, row);
  }
  const say = reading(stage);

  function update() {
    const points = CLOUD.map((point) => placed(shape, point));
    const sigma = covariance(points);
    cloud(points, sigma);
    for (const output of outputs) output(points, sigma, shape);
    const r = correlation(sigma);
    const kept = "BN keeps it. The three whitenings take it to zero.";
    const none = "So BN does the same as ZCA and Cholesky whitening.";
    say(`The features' correlation is ${number(r)}. ${Math.abs(r) < 0.005 ? none : kept}`);
  }
  update();
}

/** Where a point of the round cloud lands in the reader's. */
function placed({ center, long, width }, [along, across]) {
  const short = shortAxis(long, width);
  return [0, 1].map((k) => center[k] + along * long[k] + across * short[k]);
}

function shortAxis(long, width) {
  const length = Math.hypot(...long);
  return [(-long[1] / length) * width, (long[0] / length) * width];
}

/** Points in two colours, the ellipse at two standard deviations and the two axes of the cloud. */
function marks(area, parent) {
  const group = clipped(area, parent);
  const dots = CLOUD.map(() => svg("circle", { r: 2.2 }, group));
  const ellipse = svg("path", { class: "outline" }, group);
  const long = svg("path", { class: "long axis" }, group);
  const short = svg("path", { class: "short axis" }, group);
  return (points, positive, ring) => {
    points.forEach(([x, y], i) => {
      const side = positive[i] ? "above" : "below";
      set(dots[i], { cx: area.x(x), cy: area.y(y), class: `dot ${side}` });
    });
    set(ellipse, { d: line(area, ring) });
    set(long, { d: line(area, [ring[0], ring[30]]) });
    set(short, { d: line(area, [ring[15], ring[45]]) });
  };
}

function drawCloud(parent, shape, update) {
  const label = "The cloud: 90 points of two features, with three handles";
  const drawing = picture({ width: 320, height: 316, label, role: "group", name: "cloud" }, parent);
  const area = plane({ left: 28, top: 22, width: 282, height: 268, x: [-9, 9], y: [-8.55, 8.55] });
  svg("text", { x: 28, y: 14, class: "title", text: "The data: drag a ring" }, drawing);
  const ticks = [-8, -4, 0, 4, 8];
  axes(area, { x: ticks, y: ticks }, drawing);
  const show = marks(area, drawing);

  const { middle, tip, side } = addHandles(area, shape, update, drawing);
  return (points) => {
    const ring = CIRCLE.map((point) => placed(shape, point));
    show(
      points,
      points.map(([x]) => x > shape.center[0]),
      ring,
    );
    middle.place(shape.center);
    tip.place(ring[0]);
    side.place(ring[15]);
  };
}

/** Three rings that shape the cloud: its centre, the tip of one axis and the width of the other. */
function addHandles(area, shape, update, drawing) {
  const middle = handle(
    {
      area,
      label: "Centre of the cloud",
      step: 0.2,
      name: "plain",
      move: (at) => update((shape.center = at)),
    },
    drawing,
  );
  const tip = handle(
    {
      area,
      label: "Tip of the first axis",
      step: 0.2,
      name: "long",
      move(at) {
        const long = at.map((value, k) => (value - shape.center[k]) / 2);
        if (Math.hypot(...long) >= SHORTEST) shape.long = long;
        update();
      },
    },
    drawing,
  );
  const side = handle(
    {
      area,
      label: "Width of the second axis",
      step: 0.2,
      name: "short",
      tell: () => `width ${number(shape.width)}`,
      move(at) {
        const direction = shortAxis(shape.long, 1);
        const away = at.map((value, k) => value - shape.center[k]);
        const width = (away[0] * direction[0] + away[1] * direction[1]) / 2;
        shape.width = Math.max(SHORTEST, width);
        update();
      },
    },
    drawing,
  );
  return { middle, tip, side };
}

function drawOutput(parent, name) {
  const drawing = picture({ width: 160, height: 172, label: "", name: "output" }, parent);
  const area = plane({ left: 20, top: 20, width: 120, height: 120, x: [-3.4, 3.4], y: [-3.4, 3.4] });
  svg("text", { x: 20, y: 13, class: "title", text: name }, drawing);
  const [first, second] = [154, 168].map((y) => svg("text", { x: 80, y, "text-anchor": "middle" }, drawing));
  axes(area, {}, drawing);
  svg(
    "path",
    {
      class: "frame",
      d:
        line(area, [
          [-3.4, 0],
          [3.4, 0],
        ]) +
        line(area, [
          [0, -3.4],
          [0, 3.4],
        ]),
    },
    drawing,
  );
  const show = marks(area, drawing);
  return (points, sigma, shape) => {
    const matrix = MATRICES[name](sigma);
    const after = transform(points, matrix);
    const ring = CIRCLE.map((point) => apply(matrix, placed({ ...shape, center: [0, 0] }, point)));
    show(
      after,
      points.map(([x]) => x > shape.center[0]),
      ring,
    );
    const r = number(correlation(covariance(after)));
    const centered = transform(points, [
      [1, 0],
      [0, 1],
    ]);
    const squares = after.map(([x, y], i) => (x - centered[i][0]) ** 2 + (y - centered[i][1]) ** 2);
    first.textContent = `correlation ${r}`;
    second.textContent = `moved by ${number(mean(squares))}`;
    const form = Math.abs(Number(r)) < 0.005 ? "a round cloud" : "a cloud that is still tilted";
    set(drawing, { "aria-label": `${name}: ${form}, correlation ${r}` });
  };
}
