// The button beside a thought that is being written: it ends the thought, and the answer follows.
// @ts-check

// A button that has just come may lie under a click that was meant for something else.
const SETTLE_MS = 500;

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  const began = performance.now();
  const button = make("button", "", "Answer now");
  button.title = "End the thought, and go on with the answer";
  const told = make("span", "ossnb-quiet");
  told.setAttribute("role", "status");
  button.addEventListener("click", () => {
    if (performance.now() - began < SETTLE_MS) return;
    model.send({ type: "answer" });
    told.textContent = "The thought ends; the answer follows.";
  });
  const root = makeRoot(model, make("div", "ossnb-bar", button, told));
  el.append(root);
  return () => root.remove();
}

export default { render };
