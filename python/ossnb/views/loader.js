// What a page loads for every live view. The view's module and its many values come when the page asks the
// kernel for them: so a saved notebook, which shows the picture, carries neither (live.py).
// @ts-check

/**
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   on(name: string, callback: (...heard: any[]) => void): void,
 *   off(name: string, callback: (...heard: any[]) => void): void, send(content: object): void}} Model
 * @typedef {{type: string, module?: string, values: Object<string, any>, bytes: string[]}} Answer
 */

/**
 * The model as the view's module sees it: the values that came are as good as those of the model.
 * @param {Model} model
 */
function overlaid(model) {
  /** @type {Object<string, any>} */
  const values = {};
  /** @type {Map<string, Set<() => void>>} */
  const heard = new Map();
  const named = (/** @type {string} */ name) => name.replace("change:", "");
  return {
    /** @type {Model} */
    model: {
      get: (name) => (name in values ? values[name] : model.get(name)),
      set: (name, value) => model.set(name, value),
      save_changes: () => model.save_changes(),
      send: (content) => model.send(content),
      on(name, callback) {
        if (!(named(name) in values)) return model.on(name, callback);
        heard.set(name, (heard.get(name) ?? new Set()).add(callback));
      },
      off(name, callback) {
        heard.get(name)?.delete(callback);
        model.off(name, callback);
      },
    },
    /**
     * @param {Answer} answer
     * @param {DataView[]} buffers
     */
    take(answer, buffers) {
      const names = Object.keys(answer.values).concat(answer.bytes);
      Object.assign(values, answer.values);
      answer.bytes.forEach((name, i) => (values[name] = buffers[i]));
      for (const name of names) heard.get(`change:${name}`)?.forEach((callback) => callback());
    },
  };
}

const FIRST_MS = 250;

/** @param {{model: Model, el: HTMLElement}} view */
async function render({ model, el }) {
  const seen = overlaid(model);
  const id = String(Math.random()); // of the question
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  let wasThere = false;
  /** @type {(answer: Answer, buffers: DataView[]) => void} */
  let hear = () => {};
  const source = await new Promise((resolve) => {
    hear = (answer, buffers) => {
      if (answer?.type !== "values") return;
      seen.take(answer, buffers ?? []);
      if (answer.module !== undefined) resolve(answer.module);
    };
    model.on("msg:custom", hear);
    // JupyterLab needs a moment until its messages reach a kernel that runs a cell. So the question is put again,
    // after longer and longer times; the kernel answers it once.
    const ask = (/** @type {number} */ ms) => {
      model.send({ type: "ask", id });
      wasThere ||= el.isConnected; // a busy page takes its time to place the view
      again = setTimeout(() => (el.isConnected || !wasThere) && ask(2 * ms), ms);
    };
    ask(FIRST_MS);
  });
  clearTimeout(again);
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: view } = await import(address);
  URL.revokeObjectURL(address);
  const leave = await view.render({ model: seen.model, el });
  return () => {
    model.off("msg:custom", hear);
    leave?.();
  };
}

export default { render };
