// The live attention view: where the selected token of a reply looked, in one layer.
// @ts-check

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const tokens = model.get("tokens");
  /** @type {number} */
  const nPrompt = model.get("n_prompt");
  /** @type {DataView} */
  const bytes = model.get("weights");

  const strip = makeStrip(model, "tokens; left and right choose one of the reply, a click holds it", nPrompt);
  const facts = make("div", QUIET);
  facts.setAttribute("aria-live", "polite");
  const root = makeRoot(model, strip.element, facts);
  el.append(root);

  /** @param {number} at @param {number} position */
  const weight = (at, position) => bytes.getFloat32(4 * (at * tokens.length + position), true);

  function paint() {
    const at = strip.mark();
    const row = tokens.map((_, position) => weight(at, position));
    const largest = Math.max(1e-9, ...row);
    strip.spans.forEach((span, position) => {
      // Small shares must be seen too.
      const dark = Math.sqrt(row[position] / largest);
      span.style.background = `rgba(${ORANGE},${(0.85 * dark).toFixed(2)})`;
      span.title = `${position}: ${percent(row[position])}`;
    });
    const sink = 1 - row.reduce((sum, share) => sum + share, 0);
    facts.textContent =
      `${model.get("label")}: token ${at} ${quoted(tokens[nPrompt + at])} looked here; ` +
      `${percent(Math.max(sink, 0))} to the sink`;
  }
  return follow(model, root, { selected: paint });
}

export default { render };
