// What stands beside the shelves: who the person is, what they did, how lists are to be made, and a new item.

import { byId, h, icon } from "./dom.js";
import { picture } from "./pictures.js";
import { SLIDERS } from "./state.js";
import { named, valued } from "./words.js";

const NEW = " new";

/** The switches of who the person is. profile: column -> values. change: (column, value or null). */
export function profile(root, columns, chosen, words, language, change) {
  root.replaceChildren(...Object.entries(columns).map(([column, values]) => {
    const name = words[column] ?? column.replaceAll("_", " ");
    const button = (value, text) => {
      const pressed = String((chosen[column] ?? null) === value);
      const onclick = (event) => { press(event.currentTarget); change(column, value); };
      return h("button", { type: "button", "aria-pressed": pressed, onclick }, text);
    };
    return h("div", { class: "choice", role: "group", "aria-label": name }, h("span", { class: "name" }, name),
      h("div", { class: "segments" }, button(null, words.any), values.map((value) => button(value, valued(language, value)))));
  }));
}

/** The sliders and the button that draws again. change: (name, value). */
export function sliders(root, state, words, change, draw) {
  const rows = SLIDERS.map((name) => {
    const told = h("output", {}, percent(state[name]));
    const [id, help] = [`slider-${name}`, `help-${name}`];
    const oninput = () => { told.textContent = percent(input.value); change(name, Number(input.value)); };
    const range = { type: "range", min: 0, max: 1, step: 0.05, value: state[name] };
    const input = h("input", { ...range, id, "aria-describedby": help, oninput });
    return h("div", { class: "slider" }, h("label", { for: id }, words[name]), told, input,
      h("p", { class: "hint", id: help }, words[`${name}Help`]));
  });
  const again = { type: "button", class: "quiet", id: "draw", disabled: state.explore === 0, onclick: draw };
  root.replaceChildren(...rows, h("button", again, icon("chance"), words.draw));
}

/** The events, oldest first, each with its ✕. facts: item_id -> item. */
export function timeline(root, events, facts, words, takeBack) {
  root.replaceChildren(...events.map(({ type, item_id: id }, index) => {
    const item = facts.get(id) ?? { item_id: id };
    const did = words.did[type](item.title || id);
    return h("li", { title: did }, picture(item), h("span", { class: `type ${type}` }, icon(type)), h("span", { class: "unseen" }, did),
      h("button", { "aria-label": words.takeBack(did), data: { index }, onclick: () => takeBack(index) }, icon("close")));
  }));
  root.scrollLeft = root.scrollWidth;
}

/** The categories that an item can be added to, with the one that opens a new one. */
export function categories(form, names, words, language) {
  const chosen = form.elements.category.value;
  const sorted = names.map((name) => [name, named(language, name)]).sort(([, a], [, b]) => a.localeCompare(b, language));
  const options = [...sorted, [NEW, words.newCategory]].map(([value, text]) => h("option", { value }, text));
  form.elements.category.replaceChildren(...options);
  if (chosen) form.elements.category.value = chosen;
  form.elements.title.placeholder = words.titleHint;
}

/** What the form says of a new item, and the row that PUT /v1/items takes. */
export function composed(form) {
  const { title, category, name, price } = form.elements;
  const slug = title.value.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
  const id = `new-${slug}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  const place = category.value === NEW ? name.value.trim() : category.value;
  return { item_id: id, title: title.value.trim(), category: place, ...(price.value !== "" && { price: Number(price.value) }) };
}

/** The field for the name of a new category is there only where one is wanted. */
export function opened(form) {
  const wanted = form.elements.category.value === NEW;
  byId("new-category").hidden = !wanted;
  form.elements.name.required = wanted;
}

function press(button) {
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
}

const percent = (share) => `${Math.round(100 * share)} %`;
