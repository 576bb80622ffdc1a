// The live picture of the sliders: the next token's distribution before and after the settings, and the answer's
// tokens as likely as the settings make them. The page weighs the kept logits itself, so the picture follows a
// slider at once, however busy or far away the kernel is. `weigh` is distribution.py's `under`, token by token.
// @ts-check

/**
 * @typedef {{temperature: number, topK: number, topP: number, minP: number, penalty: number}} Settings
 * @typedef {{logits: Float32Array, seen: Uint8Array, written: number, logTotal: number, nSeenOthers: number,
 *   counts: Float32Array, means: Float32Array, edges: Float32Array}} Step what is kept of one token's logits
 * @typedef {{kept: Float64Array, error: number}} Shares
 */

const AT_ONCE = 300; // tokens weighed before the page is asked what else there is to do: some 5 ms

/** @param {Iterable<number>} values */
function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/**
 * Bound the sum of exp((x - top) / temperature) over the logits that are known by their histogram alone.
 * @param {Step} step
 * @param {number} temperature
 * @param {number} top
 * @returns {[number, number]} at least, at most
 */
function restOf({ counts, means, edges }, temperature, top) {
  let low = 0;
  let high = 0;
  counts.forEach((count, i) => {
    if (!count) return;
    const width = edges[i] - edges[i + 1];
    const share = width > 0 ? (means[i] - edges[i + 1]) / width : 1;
    const inner = Math.exp((means[i] - top) / temperature);
    const above = Math.exp((edges[i] - top) / temperature);
    const below = Math.exp((edges[i + 1] - top) / temperature);
    low += count * inner;
    high += count * Math.max(share * above + (1 - share) * below, inner);
  });
  return [low, high];
}

/**
 * What the sampler chooses from, in its order: repetition penalty, temperature, top_k, top_p, min_p.
 * @param {Step} step
 * @param {Settings} settings
 * @returns {Shares} of the kept tokens, and by how much they may differ from the exact ones
 */
function weigh(step, { temperature, topK, topP, minP, penalty }) {
  const punished = (/** @type {number} */ x) => (x > 0 ? x / penalty : x * penalty);
  const x = Float64Array.from(step.logits, (logit, i) => (step.seen[i] ? punished(logit) : logit));
  const best = Math.max(...x);
  const other = step.counts.some(Boolean) ? step.edges[0] : -Infinity; // the largest that is not kept
  const top = Math.max(best, other); // after a penalty it may be the other
  if (temperature === 0) {
    const likeliest = x.indexOf(best);
    return { kept: x.map((_, i) => Number(i === likeliest)), error: Number(best < top) };
  }
  const p = x.map((logit) => Math.exp((logit - top) / temperature));
  let [low, high] = restOf(step, temperature, top);
  const largest = Math.exp((other - top) / temperature);
  // Seen tokens among the rest only get smaller.
  if (penalty > 1) low = Math.max(low - step.nSeenOthers * largest, 0);
  // The kept ones come with the largest first; only a penalty can have changed that.
  const order = [...p.keys()];
  if (penalty > 1) order.sort((a, b) => p[b] - p[a]);
  // Where a cut goes by rank, others may stand before kept tokens that a penalty took below them.
  let unsure = 0;
  if (topK) {
    unsure = largest * order.slice(0, topK).filter((i) => p[i] < largest).length;
    for (const i of order.slice(topK)) p[i] = 0;
    low = high = 0;
  } else if (topP < 1) unsure = sum(p.filter((own) => own < largest));
  let rest = (low + high) / 2;
  if (topP < 1) {
    const goal = topP * (sum(p) + rest);
    let before = 0;
    for (const i of order) {
      const own = p[i];
      if (before >= goal && before > 0) p[i] = 0;
      before += own;
    }
    const taken = Math.min(Math.max(goal - sum(p), 0), rest);
    const scale = rest > 0 ? taken / rest : 0;
    [rest, low, high] = [taken, low * scale, high * scale];
  }
  if (minP) {
    p.forEach((own, i) => {
      if (own < minP) p[i] = 0;
    });
    if (largest < minP) rest = high = unsure = 0;
    low = 0;
    if (best < top) unsure += 1; // then nobody knows the likeliest, from which min_p counts
  }
  const total = Math.max(sum(p) + rest, 1e-300);
  const off = Math.max(high - rest, rest - low) + unsure;
  return { kept: p.map((own) => own / total), error: Math.min(off / Math.max(total - off, 1e-300), 1) };
}

/**
 * Read the steps of the answer.
 * @param {Model} model
 * @returns {Step[]}
 */
function readSteps(model) {
  const bytes = (/** @type {DataView} */ view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const logits = new Float32Array(bytes(model.get("logits")));
  const seen = new Uint8Array(bytes(model.get("seen")));
  const rest = new Float32Array(bytes(model.get("rest")));
  /** @type {number[]} */
  const written = model.get("written");
  const nKept = logits.length / written.length;
  const nRest = rest.length / written.length;
  const nBins = (nRest - 3) / 3;
  return written.map((index, t) => {
    const [logTotal, nSeenOthers, ...bins] = rest.subarray(t * nRest, (t + 1) * nRest);
    return {
      logits: logits.subarray(t * nKept, (t + 1) * nKept),
      seen: seen.subarray(t * nKept, (t + 1) * nKept),
      written: index,
      logTotal,
      nSeenOthers,
      counts: Float32Array.from(bins.slice(0, nBins)),
      means: Float32Array.from(bins.slice(nBins, 2 * nBins)),
      edges: Float32Array.from(bins.slice(2 * nBins)),
    };
  });
}

/**
 * Make the table of bars: a label, the model's share, the settings' share.
 * @param {number} nRows
 */
function makeBars(nRows) {
  const bar = "width:11em;text-align:right;background-clip:padding-box;border-left:0.7em solid transparent";
  const heads = ["", "model", "settings"].map((text) => make("th", "text-align:right;font-weight:normal", text));
  const rows = Array.from({ length: nRows }, () => [
    make("td", `white-space:pre;text-align:left;${MONO}`),
    make("td", bar),
    make("td", bar),
  ]);
  const lines = [heads, ...rows].map((cells) => make("tr", "", ...cells));
  const element = make("table", "border-collapse:collapse;color:inherit", make("tbody", "", ...lines));

  /** @param {[string, number, number][]} values */
  function paint(values) {
    values.forEach(([label, before, after], row) => {
      const [name, ...bars] = rows[row];
      name.textContent = label;
      [before, after].forEach((share, i) => {
        const reach = `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(1)}%`;
        const colour = i ? ORANGE : "128,128,128";
        bars[i].style.backgroundImage =
          `linear-gradient(to right,rgba(${colour},0.5) ${reach},transparent ${reach})`;
        bars[i].textContent = percent(share);
      });
    });
  }
  return { element, paint };
}

/**
 * Draw an answer.
 * @param {Model} model
 * @returns {{elements: HTMLElement[], paintToken(): void, paint(): void}} `paintToken` for another selection,
 *   which changes no share of the answer's
 */
function drawAnswer(model) {
  const steps = readSteps(model);
  if (!steps.length) return { elements: [make("div", QUIET, "No answer yet.")], paintToken() {}, paint() {} };
  /** @type {string[][]} */
  const labels = model.get("labels");
  /** @type {number} */
  const threshold = model.get("threshold");
  const strip = makeStrip(model, "tokens; left and right move, a click holds");
  strip.element.style.cssText += "max-height:14em;overflow-y:auto;margin-bottom:0.6em;padding:2px";
  const bars = makeBars(labels[0].length + 1);
  const facts = make("div", QUIET);
  facts.setAttribute("aria-live", "polite");
  const likely = make("div", QUIET);

  /** @returns {Settings} */
  const settings = () => ({
    temperature: model.get("temperature"),
    topK: model.get("top_k"),
    topP: model.get("top_p"),
    minP: model.get("min_p"),
    penalty: model.get("repetition_penalty"),
  });

  function paintToken() {
    const at = strip.mark();
    const { logits, logTotal } = steps[at];
    const { kept, error } = weigh(steps[at], settings());
    const rows = labels[at].map((label, i) => [label, Math.exp(logits[i] - logTotal), kept[i]]);
    const others = [1, 2].map((column) => Math.max(0, 1 - sum(rows.map((row) => Number(row[column])))));
    bars.paint(/** @type {[string, number, number][]} */ ([...rows, ["all others", ...others]]));
    facts.textContent =
      `token ${at}, ${quoted(model.get("tokens")[at])} was written; ` +
      `shares after the settings are right to within ${percent(error)}`;
  }
  let timer = 0;
  /** @param {number} first @param {number} nUnlikely of the tokens before */
  function paintAnswer(first, nUnlikely) {
    const now = settings();
    const end = Math.min(first + AT_ONCE, steps.length);
    for (let t = first; t < end; t++) {
      const step = steps[t];
      const share = weigh(step, now).kept[step.written] ?? 0;
      const { style } = strip.spans[t];
      style.background = `rgba(${ORANGE},${(0.85 * (1 - share)).toFixed(2)})`;
      style.textDecoration = share < threshold ? "underline wavy 1px" : "";
      strip.spans[t].title = `${t}: ${percent(share)} now`;
      nUnlikely += Number(share < threshold);
    }
    if (end < steps.length) {
      timer = setTimeout(paintAnswer, 0, end, nUnlikely);
      return;
    }
    likely.textContent =
      `${nUnlikely} of ${steps.length} tokens would now be unlikely (below ${percent(threshold)})`;
  }

  function paint() {
    paintToken();
    // The answer comes after what eyes follow while a slider moves, and a long one bit by bit.
    clearTimeout(timer);
    timer = setTimeout(paintAnswer, 0, 0, 0);
  }
  return { elements: [strip.element, likely, bars.element, facts], paintToken, paint };
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  const place = make("div", "");
  const root = makeRoot(model, place);
  el.append(root);
  // The sliders beside this view need their keys, too.
  const attached = new ResizeObserver(() => {
    const area = /** @type {HTMLElement?} */ (root.closest(".jp-OutputArea-output"));
    if (area) keepKeys(area);
    attached.disconnect();
  });
  attached.observe(root);
  /** @type {ReturnType<typeof drawAnswer>} */
  let answer;

  function draw() {
    answer = drawAnswer(model);
    place.replaceChildren(...answer.elements);
    answer.paint();
  }
  const paint = () => answer.paint();
  const settings = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"];
  const painters = Object.fromEntries(settings.map((name) => [name, paint]));
  const leave = follow(model, root, { answer: draw, selected: () => answer.paintToken(), ...painters });
  return () => {
    attached.disconnect();
    leave();
  };
}

export default { render };
