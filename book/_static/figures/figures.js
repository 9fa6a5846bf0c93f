/** Puts each interactive figure in the place of the static picture that the book's build drew. */

/** The figures, by the name that their picture has in its chapter. */
const FIGURES = {
  "fig-live-whitenings": "./whitenings.js",
  "fig-live-descent": "./descent.js",
  "fig-live-algorithm": "./algorithm.js",
  "fig-live-sigmoid": "./sigmoid.js",
  "fig-live-running": "./running.js",
  "fig-live-graph": "./graph.js",
};

for (const [name, address] of Object.entries(FIGURES)) {
  const image = document.querySelector(`figure#${name} img`);
  if (image) {
    import(address).then(({ draw }) => {
      const stage = document.createElement("div");
      stage.className = "stage";
      draw(stage);
      image.replaceWith(stage);
    });
  }
}
