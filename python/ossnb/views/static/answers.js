// The live view of a thought and the answers after parts of it: a slider goes over the thought.
// @ts-check

/** @typedef {{n: number, text: string, own: boolean, note: string}} Answer */

const ANSWERS_STYLE = `
.ossnb-view input[type=range] { width: min(100%, 40em); margin: 0.3em 0; accent-color: currentColor; }
.ossnb-cut { text-decoration: line-through; opacity: 0.75; }
.ossnb-answer { border-left: 3px solid rgba(128,128,128,0.6); padding-left: 0.8em; min-height: 3em; }`;

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {Answer[]} */
  const answers = model.get("answers");
  /** @type {string[]} */
  const thought = model.get("tokens");
  const slider = /** @type {HTMLInputElement} */ (make("input", ""));
  slider.type = "range";
  slider.min = "0";
  slider.max = String(answers.length - 1);
  slider.setAttribute("aria-label", "tokens of the thought");
  const { spans, nodes } = makeTokens(thought, model.get("special"));
  const strip = make("div", "ossnb-text ossnb-scroll", ...nodes, ...makeNote(model.get("n_left_out")));
  strip.dir = "auto";
  makeReachable(strip, "the thought; a click stops it there, left and right go from place to place");
  const facts = makeFacts();
  const answer = make("div", "ossnb-text ossnb-scroll ossnb-answer");
  answer.dir = "auto";
  makeReachable(answer, "the answer");
  const root = makeRoot(
    model,
    make("style", "", ANSWERS_STYLE),
    make("div", "ossnb-quiet", model.get("label")),
    slider,
    strip,
    facts,
    answer,
    make("div", "ossnb-quiet", makeKey(DIFFERS, "another answer than the reply's", 0.5 * FULL)),
  );
  el.append(root);
  spans.forEach((span) => (span.style.cursor = "pointer"));

  /** @param {number} at of the answers */
  function select(at) {
    if (!(at >= 0 && at < answers.length) || at === model.get("selected")) return;
    model.set("selected", at);
    model.save_changes();
  }
  function paint() {
    const at = Math.min(Math.max(model.get("selected"), 0), answers.length - 1);
    const { n, text, own, note } = answers[at];
    slider.value = String(at);
    const tokens = `${n} token${n === 1 ? "" : "s"}`;
    slider.setAttribute("aria-valuetext", `${tokens} of the thought`);
    spans.forEach((span, i) => span.classList.toggle("ossnb-cut", i >= n));
    reveal(strip, spans[Math.min(Math.max(n - 1, 0), spans.length - 1)]);
    facts.textContent = `stopped after ${tokens}: ${own ? "the reply's own answer" : "another answer"} (${note})`;
    answer.textContent = text;
    answer.style.background = own ? "" : shade(DIFFERS, 0.5);
  }

  slider.addEventListener("input", () => select(Number(slider.value)));
  strip.addEventListener("click", (event) => {
    const at = Number(/** @type {HTMLElement} */ (event.target).dataset.at ?? NaN);
    if (!(at >= 0)) return;
    // The place at the token, or the last one before it.
    select(Math.max(0, answers.filter(({ n }) => n <= at + 1).length - 1));
  });
  onArrows(strip, (step) => select(model.get("selected") + step));
  return follow(model, root, { selected: paint });
}

export default { render };
