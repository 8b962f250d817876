// One item as a card: its picture is the button that looks at it, below are the other things one can do.

import { h, icon } from "./dom.js";
import { picture } from "./pictures.js";

const ACTIONS = ["favourite", "cart", "purchase"];
const formats = new Map();

/** A card of an item. does: { act(type, item), why(item) }. key: what it is recognised by when the page changes. */
export function card(item, key, words, does) {
  const title = item.title || item.item_id;
  const button = (name, kind, label, onclick, inside) =>
    h("button", { class: kind, "aria-label": label, title: words.tip[name], data: { act: name }, onclick }, inside);
  const act = (name) => button(name, "act", words.act[name](title), () => does.act(name, item), icon(name));
  return h("article", { class: "card", "aria-label": title, data: { key, item: item.item_id } },
    button("click", "face", words.act.click(title), () => does.act("click", item), picture(item)),
    h("p", { class: "flags" }),
    h("h4", { title }, title),
    h("p", { class: "facts" }),
    h("div", { class: "acts" }, ACTIONS.map(act), button("why", "act why", words.whyOf(title), () => does.why(item), icon("why"))));
}

/** Say on the card what this list says of the item. was: its place before, 0 none, undefined where nothing was. */
export function retell(element, item, place, was, words, facts) {
  const [line, signs, shown] = [element.querySelector(".facts"), element.querySelector(".flags"), flags(item, place, was, words)];
  if (line.textContent !== facts) line.textContent = facts;
  if (shown.length || signs.hasChildNodes()) signs.replaceChildren(...shown);
}

/** ▲3, ▼2, or ▲ where it was not in the list; nothing where it has not moved. */
export function movement(place, was, words) {
  if (was === undefined || was === place) return null;
  const up = was === 0 || was > place;
  const by = was === 0 ? "" : Math.abs(was - place);
  const said = was === 0 ? words.entered : up ? words.up(by) : words.down(by);
  const sign = h("span", { "aria-hidden": "true" }, `${up ? "▲" : "▼"}${by}`);
  return h("span", { class: up ? "moved up" : "moved down", title: said }, sign, h("span", { class: "unseen" }, said));
}

/** A price as the page's language writes numbers. */
export function priced(price, language, words) {
  if (price === null || price === undefined) return "";
  return price === 0 ? words.free : numbers(language).format(price);
}

/** Made once a language: to make it takes far longer than to write a price. */
function numbers(language) {
  if (!formats.has(language)) {
    formats.set(language, new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
  }
  return formats.get(language);
}

function flags(item, place, was, words) {
  const fresh = item.cold && h("span", { class: "flag new" }, words.isNew);
  const said = item.source === "explored" && words.explored(Number(item.propensity).toPrecision(2));
  const chance = said && h("span", { class: "flag chance", title: said }, icon("chance"), h("span", { class: "unseen" }, said));
  return [movement(place, was, words), chance, fresh].filter(Boolean);
}
