// The live attention view: where the selected token of a reply looked, in one layer.
// @ts-check

const N_STRONGEST = 8;

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
  const facts = makeFacts();
  const ramp = makeRamp(SHARE, "", "");
  const list = make("tbody", "");
  const root = makeRoot(
    model,
    make("div", "ossnb-bar", ...makeSwitch(model)),
    strip.element,
    make("div", "ossnb-quiet", ramp.element, "of the attention"),
    facts,
    make("table", "ossnb-rows", list),
  );
  el.append(root);

  /** @param {number} at @param {number} position */
  const weight = (at, position) => bytes.getFloat32(4 * (at * tokens.length + position), true);

  function paint() {
    const at = strip.mark();
    const row = tokens.map((_, position) => weight(at, position));
    const largest = Math.max(1e-9, ...row);
    strip.spans.forEach((span, position) => {
      // Small shares must be seen too.
      span.style.background = shade(SHARE, Math.sqrt(row[position] / largest));
      span.title = `${position}: ${percent(row[position])}`;
    });
    ramp.paint("0 %", percent(largest), percent(largest / 4));
    const sink = 1 - row.reduce((sum, share) => sum + share, 0);
    facts.textContent =
      `${model.get("label")}: token ${at} ${quoted(tokens[nPrompt + at])} looked here; ` +
      `${percent(Math.max(sink, 0))} to the sink`;
    paintStrongest(row);
  }

  /** @param {number[]} row */
  function paintStrongest(row) {
    const order = [...row.keys()].sort((a, b) => row[b] - row[a] || a - b).slice(0, N_STRONGEST);
    const heads = ["place", "token", "attention"].map((text) => make("th", "", text));
    heads[1].style.textAlign = "left";
    const lines = order.map((position) =>
      make(
        "tr",
        "",
        make("td", "", `${position}`),
        make("td", "ossnb-mono", marked(tokens[position])),
        make("td", "", makeBar(SHARE, row[position]), make("span", "ossnb-number", percent(row[position]))),
      ),
    );
    list.replaceChildren(make("tr", "", ...heads), ...lines);
  }
  return follow(model, root, { selected: paint });
}

export default { render };
