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
 * @typedef {{rank: string, label: string, shares: [number, string][], isWritten: boolean}} Row
 */

/** Make the table of bars: a rank, a token, the model's share, the settings' share. */
function makeBars() {
  const heads = ["rank", "token", "model", "settings"].map((text) => make("th", "", text));
  heads[1].style.textAlign = "left";
  const body = make("tbody", "");
  /** @param {Row[]} rows */
  function paint(rows) {
    const lines = rows.map(({ rank, label, shares, isWritten }) =>
      make(
        "tr",
        isWritten ? "ossnb-written" : "",
        make("td", "", rank),
        make("td", "ossnb-mono", isWritten ? `${label} ← written` : label),
        ...shares.map(([share, text], i) => make("td", "", makeBar(i ? SHARE : OWN, share), make("span", "ossnb-number", text))),
      ),
    );
    body.replaceChildren(make("tr", "", ...heads), ...lines);
  }
  return { element: make("table", "ossnb-rows", body), paint };
}

/**
 * The rows of a token's distribution: the likeliest tokens, the one written, all others.
 * @param {Step} step
 * @param {Float64Array} kept the shares with the settings
 * @param {string[]} labels of the likeliest
 * @param {string} written the label of the token written
 * @returns {Row[]}
 */
function rowsOf({ logits, logTotal, written: own }, kept, labels, written) {
  const before = (/** @type {number} */ i) => Math.exp(logits[i] - logTotal);
  const values = labels.map((label, i) => ({ rank: `${i + 1}`, label, before: before(i), after: kept[i] }));
  const isKept = own < logits.length;
  if (own >= labels.length) {
    values.push(
      isKept
        ? { rank: `${own + 1}`, label: written, before: before(own), after: kept[own] }
        : { rank: `> ${logits.length}`, label: written, before: 0, after: 0 },
    );
  }
  const [old, now] = [sum(values.map((row) => row.before)), sum(values.map((row) => row.after))];
  values.push({ rank: "", label: "all others", before: Math.max(0, 1 - old), after: Math.max(0, 1 - now) });
  return values.map(({ rank, label, before: share, after }, i) => {
    const isWritten = i === Math.min(own, labels.length);
    // A token that was not kept is less likely than those that were.
    const least = `< ${percent(before(logits.length - 1))}`;
    /** @type {[number, string][]} */
    const shares = rank.startsWith(">") ? [[0, least], [0, "–"]] : [[share, percent(share)], [after, percent(after)]];
    return { rank, label, shares, isWritten };
  });
}

/**
 * Draw an answer.
 * @param {Model} model
 * @returns {{elements: HTMLElement[], paintToken(): void, paint(): void}} `paintToken` for another selection,
 *   which changes no share of the answer's
 */
function drawAnswer(model) {
  const steps = readSteps(model);
  if (!steps.length) return { elements: [make("div", "ossnb-quiet", "No answer yet.")], paintToken() {}, paint() {} };
  /** @type {string[][]} */
  const labels = model.get("labels");
  /** @type {number} */
  const threshold = model.get("threshold");
  const strip = makeStrip(model, "tokens; left and right move, a click holds");
  strip.element.style.maxHeight = "14em";
  const bars = makeBars();
  const facts = makeFacts();
  const likely = make("div", "ossnb-quiet");

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
    const { kept, error } = weigh(steps[at], settings());
    bars.paint(rowsOf(steps[at], kept, labels[at], model.get("written_labels")[at]));
    facts.textContent = `token ${at}, ${quoted(model.get("tokens")[at])}; right to within ${percent(error)}`;
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
      style.background = shade(UNLIKELY, 1 - share);
      style.textDecoration = share < threshold ? "underline wavy 1px" : "";
      strip.spans[t].title = `${t}: ${percent(share)} now`;
      nUnlikely += Number(share < threshold);
    }
    if (end < steps.length) {
      timer = setTimeout(paintAnswer, 0, end, nUnlikely);
      return;
    }
    likely.textContent = `${nUnlikely} of ${steps.length} tokens would now be unlikely`;
  }

  function paint() {
    paintToken();
    // The answer comes after what eyes follow while a slider moves, and a long one bit by bit.
    clearTimeout(timer);
    timer = setTimeout(paintAnswer, 0, 0, 0);
  }
  const shades = [makeRamp(UNLIKELY, "likely now", "unlikely now").element, `underlined: below ${percent(threshold)}`];
  const colours = [makeKey(OWN, "the model's own share"), makeKey(SHARE, "the share with the settings")];
  const elements = [
    make("div", "ossnb-bar", ...makeSwitch(model)),
    strip.element,
    make("div", "ossnb-quiet", ...shades),
    likely,
    facts,
    bars.element,
    make("div", "ossnb-quiet", ...colours),
  ];
  return { elements, paintToken, paint };
}

/**
 * Give names to what stands beside this view, for those who do not see it, and its keys.
 * @param {HTMLElement} area
 */
function nameControls(area) {
  keepKeys(area);
  for (const slider of area.querySelectorAll(".widget-slider")) {
    const name = slider.querySelector(".widget-label")?.textContent ?? "";
    for (const part of slider.querySelectorAll(".noUi-handle, .widget-readout")) part.setAttribute("aria-label", name);
    // The readout takes numbers.
    slider.querySelector(".widget-readout")?.setAttribute("role", "textbox");
  }
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  const place = make("div", "");
  const root = makeRoot(model, place);
  el.append(root);
  // The sliders beside this view need their keys and names, too.
  const attached = new ResizeObserver(() => {
    const area = /** @type {HTMLElement?} */ (root.closest(".jp-OutputArea-output"));
    if (area) nameControls(area);
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
