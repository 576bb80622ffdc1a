// The live view of replies side by side: keys and buttons go from difference to difference.
// @ts-check

/**
 * @typedef {{name: string, parts: [number, number][], tokens: string[], special: number[],
 *   n_left_out: number}} Written
 */

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {Written[]} */
  const replies = model.get("replies");
  const nDifferences = replies[0].parts.length;
  const columns = replies.map((reply) => {
    const { spans, nodes } = makeTokens(reply.tokens, reply.special);
    reply.parts.forEach(([start, stop], part) => {
      for (const span of spans.slice(start, stop)) {
        span.style.background = shade(DIFFERS, 0.5);
        span.style.cursor = "pointer";
        span.dataset.part = String(part);
      }
    });
    const text = make("div", "ossnb-text ossnb-scroll", ...nodes, ...makeNote(reply.n_left_out));
    text.dir = "auto";
    makeReachable(text, `${reply.name}; left and right go from difference to difference`);
    return { spans, text, element: make("div", "", make("div", "ossnb-quiet", reply.name), text) };
  });
  const facts = makeFacts();
  const list = make("tbody", "");
  const root = makeRoot(
    model,
    make(
      "div",
      "ossnb-bar",
      ...(nDifferences ? [makeStep("Previous difference", -1), makeStep("Next difference", 1)] : []),
      ...makeSwitch(model, replies.reduce((n, reply) => n + reply.special.length, 0)),
    ),
    make("div", "ossnb-quiet", model.get("label")),
    make("div", "ossnb-columns", ...columns.map(({ element }) => element)),
    make("div", "ossnb-quiet", makeKey(DIFFERS, "not in all replies", 0.5 * FULL)),
    facts,
    make("table", "ossnb-rows", list),
  );
  el.append(root);

  /** @param {string} text @param {number} step */
  function makeStep(text, step) {
    const button = make("button", "", text);
    button.addEventListener("click", () => select(model.get("selected") + step));
    return button;
  }
  /** @param {number} part */
  function select(part) {
    if (!(part >= 0 && part < nDifferences) || part === model.get("selected")) return;
    model.set("selected", part);
    model.save_changes();
  }

  function paint() {
    if (!nDifferences) return;
    const part = Math.min(Math.max(model.get("selected"), 0), nDifferences - 1);
    facts.textContent = `difference ${part + 1} of ${nDifferences}, from token ${replies[0].parts[part][0]} on`;
    list.replaceChildren(
      ...replies.map((reply, i) => {
        const words = reply.tokens.slice(...reply.parts[part]).join("");
        const shown = make("td", "ossnb-mono", words ? marked(words) : "–");
        shown.style.whiteSpace = "pre-wrap";
        return make("tr", "", make("td", "", `Reply ${i + 1}`), shown);
      }),
    );
    columns.forEach(({ spans, text }, i) => {
      const [start, stop] = replies[i].parts[part];
      spans.forEach((span, at) => span.classList.toggle("ossnb-chosen", at >= start && at < stop));
      // Where a reply has nothing there, its place is what comes next.
      reveal(text, spans[start] ?? spans.at(-1));
    });
  }

  root.addEventListener("click", (event) => {
    const { part } = /** @type {HTMLElement} */ (event.target).dataset;
    if (part !== undefined) select(Number(part));
  });
  onArrows(root, (step) => select(model.get("selected") + step));
  return follow(model, root, { selected: paint });
}

export default { render };
